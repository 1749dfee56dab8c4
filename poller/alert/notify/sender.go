package notify

import (
	"context"
	"errors"
	"time"

	"github.com/devops-insights/devops-insights/poller/alert"
)

// Sender delivers the messages of one API. Make it with New.
type Sender struct {
	opts Options
}

// New returns a Sender, or a sentence about the first receiver that cannot be used.
func New(o Options) (*Sender, error) {
	if o.Outbox == nil {
		return nil, errors.New("a sender needs an outbox")
	}
	s := &Sender{opts: o.withDefaults()}
	return s, s.Update(o.Receivers)
}

// Update replaces the receivers, also while Run runs. When it returns an error,
// nothing has changed.
func (s *Sender) Update(receivers []Receiver) error {
	for _, r := range receivers {
		if err := Check(r); err != nil {
			return err
		}
	}
	return nil
}

// Run delivers until the context ends, and returns nil then. What is under way at
// that moment has Options.Grace to find its end; Delivered is called for it
// before Run returns. It can run again afterwards.
func (s *Sender) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// Status returns how the receivers stand, in the order of the settings.
func (s *Sender) Status() []Status { return nil }

// endsAt is until when a message holds for an Alertmanager.
func endsAt(m alert.Message, now time.Time) time.Time { return now }
