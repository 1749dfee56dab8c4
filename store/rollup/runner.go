package rollup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/devops-insights/devops-insights/store"
)

// Store is the side of a store that a Runner needs; see package store.
type Store interface {
	Reader
	LastOutcome(ctx context.Context, api, source string) (store.Interval, error)
	PutChunks(ctx context.Context, term int64, m store.Mark, chunks []store.Chunk) error
}

// Options configures a Runner.
type Options struct {
	// Store has the rows and takes the tiers. Required.
	Store Store
	// API is the upstream's name in lower case. Required.
	API string
	// Sources are the regions, see Runner.Update.
	Sources []string
	// Term returns the number of this instance's time in office, and false while
	// another instance, or none, keeps the tiers. Nil: this instance always does.
	Term func() (int64, bool)
	// Fields says which fields of the values of the Sources are kept.
	Fields FieldOptions
	// Every is the time between two looks for new rows. Zero: a minute.
	Every time.Duration
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
	// Logger receives the progress of a long run, and one line when the tiers
	// cannot be kept up to date and one when they can again. Required.
	Logger logrus.FieldLogger
}

func (o Options) withDefaults() Options {
	o.Every = cmp.Or(max(o.Every, 0), time.Minute)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Term == nil {
		o.Term = func() (int64, bool) { return 0, true }
	}
	return o
}

const (
	// settled is the age from which rows are rolled up: younger ones may still
	// be on their way. It is more than store.LateAfter.
	settled = time.Minute
	// pieceSpan is the time that one PutChunks brings forward, within one day.
	pieceSpan = 6 * time.Hour
	// turn is how long one region is rolled up before the others have their turn,
	// and its progress is logged.
	turn = 10 * time.Second
	// patience bounds how often a piece is begun again because of late rows before
	// the others have their turn.
	patience = 10
)

// Runner keeps the tiers of the regions up to date. Whatever it does twice, after
// a failure or because another instance did it at the same time, brings the same
// bytes.
type Runner struct {
	opts    Options
	regions []*regionRun
	fenced  *int64 // the term in which another instance took over
	update  chan []Region

	mu    sync.Mutex
	marks map[string]time.Time // up to where each region has been rolled up
}

// Region is a region whose tiers are kept.
type Region struct {
	Source string
	Fields FieldOptions
}

// NewRunner returns a Runner, which does nothing before Run.
func NewRunner(o Options) *Runner {
	r := &Runner{opts: o.withDefaults(), update: make(chan []Region, 1), marks: make(map[string]time.Time)}
	for _, source := range o.Sources {
		r.regions = append(r.regions, r.region(Region{source, o.Fields}))
	}
	return r
}

func (r *Runner) region(of Region) *regionRun {
	return &regionRun{
		Options: &r.opts, region: region{r.opts.Store, r.opts.API, of.Source}, keeps: of.Fields,
		reached: func(to time.Time) { r.reached(of.Source, to) },
	}
}

// Update replaces the regions, also while Run runs: from its next round on. It
// is for one caller at a time.
func (r *Runner) Update(regions []Region) {
	select {
	case <-r.update: // that has not been taken yet
	default:
	}
	r.update <- regions
}

// take lets an update count, if there is one. What is known of a region that
// goes on as it was stays known.
func (r *Runner) take() {
	select {
	case wanted := <-r.update:
		before := r.regions
		r.regions = nil
		r.mu.Lock()
		clear(r.marks) // the next round has them again
		r.mu.Unlock()
		for _, of := range wanted {
			i := slices.IndexFunc(before, func(b *regionRun) bool { return b.source == of.Source && reflect.DeepEqual(b.keeps, of.Fields) })
			if i >= 0 {
				r.regions = append(r.regions, before[i])
			} else {
				r.regions = append(r.regions, r.region(of))
			}
		}
	default:
	}
}

// Run keeps the tiers up to date until ctx ends, and returns its error.
func (r *Runner) Run(ctx context.Context) error {
	tick := time.NewTicker(r.opts.Every)
	defer tick.Stop()
	for {
		r.take()
		r.round(ctx)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// round brings every region up to date, those that are far behind in turns. A
// region that fails is tried again in the next round.
func (r *Runner) round(ctx context.Context) {
	for behind := true; behind; {
		behind = false
		for _, region := range r.regions {
			term, ok := r.opts.Term()
			if !ok || r.fenced != nil && *r.fenced == term {
				region.state = nil
				continue
			}
			more, err := region.catchUp(ctx, term)
			switch {
			case ctx.Err() != nil:
				return
			case errors.Is(err, store.ErrFenced):
				r.fenced = &term
				r.opts.Logger.WithField("term", term).Info("another instance keeps the tiers of the history")
				return
			}
			region.report(err)
			behind = behind || more
		}
	}
}

func (r *Runner) reached(source string, to time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.marks[source] = to
}

// Lag returns how far the tiers of the region that is most behind are behind the
// clock: a minute or two where all is well, and 0 where nothing is known.
func (r *Runner) Lag() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	most := time.Duration(0)
	for _, to := range r.marks {
		most = max(most, r.opts.Now().Sub(to))
	}
	return most
}

// regionRun keeps the tiers of one region.
type regionRun struct {
	*Options
	region
	keeps   FieldOptions
	reached func(to time.Time) // notes how far it has come
	state   *state
	failed  bool
	full    bool  // there were more fields than are kept
	behind  bool  // a turn was not enough
	first   int64 // where the first of the turns began
}

// state is what is known at the mark of a region, so that it need not be read
// again.
type state struct {
	fields *extractor
	held   // the values that hold
	to     int64
	term   int64
	idle   bool // there was nothing to say of the piece before it
}

// report logs that a region begins or ends to fail.
func (r *regionRun) report(err error) {
	log := r.Logger.WithField("region", r.source)
	switch {
	case err != nil && !r.failed:
		log.WithError(err).Warn("the tiers of the history cannot be kept up to date; they are tried again every " + r.Every.String())
	case err == nil && r.failed:
		log.Info("the tiers of the history are up to date again")
	}
	r.failed = err != nil
	if r.state != nil && r.state.fields.full && !r.full {
		r.full = true
		log.WithField("fields", r.state.fields.opts.Max).
			Warn("the values have more numbers than are kept in the tiers of the history (ROLLUP_MAX_FIELDS): the first ones are; ROLLUP_EXCLUDE leaves others out")
	}
}

// catchUp rolls up what is new, one piece after the other, for the time of one
// turn. It reports whether there is more.
func (r *regionRun) catchUp(ctx context.Context, term int64) (more bool, err error) {
	ends := time.Now().Add(turn)
	for conflicts := 0; ; {
		mark, err := r.Mark(ctx, r.api, r.source)
		if err != nil {
			return false, err
		}
		from, to, end, err := r.next(ctx, mark)
		if err == nil && from > 0 {
			r.reached(timeOf(from))
		}
		if err != nil || from >= to {
			r.progress(err == nil, from, end)
			return false, err
		}
		if now, ok := r.Term(); !ok || now != term {
			return false, nil
		}
		if time.Now().After(ends) {
			r.progress(false, from, end)
			return true, nil
		}
		if !r.behind {
			r.first = from
		}
		if s := r.state; s != nil && s.idle && s.to == from && from == floor(from, 24*time.Hour) {
			err = r.leap(ctx, term, mark, end)
		} else {
			err = r.piece(ctx, term, mark, from, to)
		}
		if errors.Is(err, store.ErrConflict) {
			if conflicts++; conflicts < patience {
				continue
			}
			return false, fmt.Errorf("late rows came %d times while a piece was rolled up: %w", conflicts, err)
		}
		if err != nil {
			return false, err
		}
		conflicts = 0
	}
}

// progress logs how far a region that is far behind has come.
func (r *regionRun) progress(done bool, at, end int64) {
	log := r.Logger.WithField("region", r.source)
	switch {
	case done && r.behind:
		r.behind = false
		log.Info("the history is rolled up")
	case !done && at < end:
		r.behind = true
		log.WithFields(logrus.Fields{"to": timeOf(at).Format(time.RFC3339), "percent": (at - r.first) * 100 / max(end-r.first, 1)}).
			Info("the history is being rolled up")
	}
}

// next returns the piece that is to be rolled up next, and the end of all.
func (r *regionRun) next(ctx context.Context, mark store.Mark) (from, to, end int64, err error) {
	if from = mark.To.UnixMilli(); mark.To.IsZero() {
		oldest, ok, err := r.edge(ctx, time.Time{}, true)
		if err != nil || !ok {
			return 0, 0, 0, err
		}
		from = floor(oldest.CreatedAt.UnixMilli(), time.Minute)
	}
	if end, err = r.horizon(ctx, from); err != nil {
		return 0, 0, 0, err
	}
	return from, min(end, floor(from, pieceSpan)+pieceSpan.Milliseconds()), end, nil
}

// horizon returns the whole minute up to which everything is known: rows are there
// when they are old enough, and outcomes up to the last poll. Where polling has
// ended nothing is rolled up until it goes on, and says what was in between.
func (r *regionRun) horizon(ctx context.Context, from int64) (int64, error) {
	end := r.Now().Add(-settled).UnixMilli()
	last, err := r.Store.LastOutcome(ctx, r.api, r.source)
	switch {
	case err == nil:
		end = min(end, max(from, last.To.UnixMilli()))
	case !errors.Is(err, store.ErrNotFound):
		return 0, err
	}
	return floor(end, time.Minute), nil
}

// leap takes the mark, at the begin of a day, over a time of which there is nothing
// to say, to the next row or outcome: a row of a clock that was years behind would
// else cost as many pieces.
func (r *regionRun) leap(ctx context.Context, term int64, mark store.Mark, end int64) error {
	s := r.state
	r.state = nil
	to := end
	sooner := func(at time.Time) error {
		to = min(to, max(s.to, floor(at.UnixMilli(), time.Minute)))
		return errEnough
	}
	q := store.Query{API: r.api, Source: r.source, From: timeOf(s.to), To: timeOf(end), OldestFirst: true, Limit: 1}
	err := r.Scan(ctx, q, func(m store.Metric) error { return sooner(m.CreatedAt) })
	if err == nil || errors.Is(err, errEnough) {
		err = r.ScanOutcomes(ctx, r.api, r.source, timeOf(s.to), timeOf(end), func(i store.Interval) error { return sooner(i.From) })
	}
	if err != nil && !errors.Is(err, errEnough) {
		return err
	}
	if to > s.to {
		mark.To, mark.API, mark.Source = timeOf(to), r.api, r.source
		if err := r.Store.PutChunks(ctx, term, mark, nil); err != nil {
			return err
		}
	}
	s.to, s.idle = to, false
	r.state = s
	return nil
}

// piece rolls up the time from one whole minute to another, within one day.
func (r *regionRun) piece(ctx context.Context, term int64, mark store.Mark, from, to int64) error {
	s := r.state
	r.state = nil
	if s == nil || s.to != from || s.term != term {
		s = &state{fields: newExtractor(r.keeps, mark.Fields)}
		h, err := r.holding(ctx, s.fields, from)
		if err != nil {
			return err
		}
		s.held = held{slices.Clone(h.values), h.since}
	}
	p := &piece{region: r.region, fields: s.fields, from: from, to: to, hour: floor(from, time.Hour), old: make(map[place][]byte)}
	if err := p.run(ctx, s.held); err != nil {
		return err
	}
	mark.To, mark.Fields = timeOf(to), s.fields.paths
	mark.API, mark.Source = r.api, r.source
	if err := r.Store.PutChunks(ctx, term, mark, p.chunks); err != nil {
		return err
	}
	if p.damaged != nil {
		r.Logger.WithField("region", r.source).WithError(p.damaged).Error("a part of the tiers was damaged and is made again from the rows that are left")
	}
	r.state = &state{fields: s.fields, held: held{p.folder.current, p.folder.since}, to: to, term: term, idle: p.idle}
	return nil
}
