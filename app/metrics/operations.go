package metrics

import (
	"context"
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/devops-insights/devops-insights/app/errclass"
	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/observed"
)

// operation holds the series of one operation of the store.
type operation struct {
	took   prometheus.Observer
	errors map[string]prometheus.Counter
}

// valueRefused is the class of a value that the store will never take.
const valueRefused = "VALUE_REFUSED"

// classes returns the classes of errors of stores.
func classes() []string {
	return []string{
		errclass.Timeout, errclass.Refused, errclass.Reset, errclass.Unreachable, errclass.DNS, errclass.TLS, errclass.Auth,
		"REPLICA_SET", "NO_PRIMARY", errclass.NotPrimary, errclass.Duplicate, errclass.TooLarge,
		errclass.DiskFull, errclass.DiskFails, errclass.ReadOnly, errclass.Permission, errclass.Missing, errclass.Damaged, errclass.Files,
		valueRefused, other,
	}
}

func newOperations(r *prometheus.Registry) map[string]*operation {
	took := prometheus.NewHistogramVec(both(prometheus.HistogramOpts{
		Name: "store_seconds", Help: "Time of one operation of the database or of the embedded store.",
		Buckets: []float64{.0001, .0005, .001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
	}), []string{"op"})
	failed := prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: namespace, Name: "store_errors_total", Help: "Operations of the store that failed, by the class of the error.",
	}, []string{"op", "class"})
	r.MustRegister(took, failed)
	all := make(map[string]*operation)
	for _, op := range observed.Operations() {
		o := &operation{took: took.WithLabelValues(op), errors: make(map[string]prometheus.Counter)}
		for _, class := range classes() {
			o.errors[class] = failed.WithLabelValues(op, class)
		}
		all[op] = o
	}
	return all
}

// Began implements observed.Observer.
func (m *Metrics) Began(ctx context.Context, op, _, _ string) (context.Context, func(error)) {
	o := m.operations[op]
	if o == nil {
		return ctx, func(error) {}
	}
	began := m.opts.Now()
	return ctx, func(err error) {
		o.took.Observe(m.opts.Now().Sub(began).Seconds())
		if fails(err) {
			o.count(err)
		}
	}
}

// fails reports whether an error is one of the store: not of a caller that has
// gone, asked for what there never was, or was too late.
func fails(err error) bool {
	for _, answer := range []error{context.Canceled, store.ErrClosed, store.ErrBadID, store.ErrConflict, store.ErrFenced} {
		if errors.Is(err, answer) {
			return false
		}
	}
	return err != nil
}

func (o *operation) count(err error) {
	class := errclass.Of(err)
	if errors.Is(err, store.ErrRefused) {
		class = valueRefused
	}
	counter := o.errors[class]
	if counter == nil {
		counter = o.errors[other]
	}
	counter.Inc()
}
