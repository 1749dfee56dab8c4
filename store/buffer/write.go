package buffer

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/devops-insights/devops-insights/store"
)

// Save implements store.Writer. What the database does not take now waits, and
// the answer is false: it is announced when it is stored. Values of a region are
// stored in the order in which they came, with the time at which they were
// taken. Only what the database refuses, or nobody waits for any more, is an
// error.
func (b *Buffer) Save(ctx context.Context, sample store.Sample) (changed bool, err error) {
	k := key{sample.API, sample.Source}
	inner, err := b.available()
	if errors.Is(err, store.ErrClosed) {
		return false, err
	}
	if err != nil || b.waits(k) {
		b.keep(k, sample)
		return false, nil
	}
	bounded, cancel := context.WithTimeout(ctx, b.opts.Timeout)
	changed, err = inner.Save(bounded, sample)
	cancel()
	switch {
	case err == nil:
		b.note(nil)
		b.saved(k, sample)
		return changed, nil
	case errors.Is(err, store.ErrRefused):
		b.note(nil) // it is there, and says no
		return false, err
	case errors.Is(err, store.ErrClosed) || errors.Is(ctx.Err(), context.Canceled):
		return false, err
	}
	b.keep(k, sample)
	if unanswered(err) {
		b.suspect()
	} else {
		b.signal() // a ping tells whether the database is there
	}
	return false, nil
}

// unanswered reports that nothing came back: the time was up or the connection
// broke.
func unanswered(err error) bool {
	var network net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &network)
}

func (b *Buffer) waits(k key) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.pending.oldest(k) != nil
}

func (b *Buffer) keep(k key, sample store.Sample) {
	turn, _ := b.opts.Turn(k.api)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pending.add(k, sample, turn)
}

func (b *Buffer) saved(k key, sample store.Sample) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pending.stored[k] = sample.Data
}

// flush writes what waits, region by region, until the database goes again. A
// region whose change fails is left for later.
func (b *Buffer) flush() {
	b.mu.Lock()
	regions := b.pending.regions()
	b.mu.Unlock()
	for _, k := range regions {
		for b.next(k) {
			if b.ctx.Err() != nil || !b.Stats().Unavailable.IsZero() {
				return
			}
		}
	}
}

// maxAttempts is how often a change is tried that the database answers with an
// error it may take back; the pauses in between double, up to a minute.
const maxAttempts = 12

// next writes the oldest change of a region, and reports whether to go on with
// the next one of the region.
func (b *Buffer) next(k key) bool {
	turn, mine := b.opts.Turn(k.api)
	b.mu.Lock()
	c := b.pending.oldest(k)
	b.mu.Unlock()
	switch {
	case c == nil:
		return false
	case c.turn != turn:
		b.done(k, c, false)
		b.opts.Logger.WithField("region", k.source).Warn("a change that waited is dropped: another instance has stored since")
		return true
	case !mine || time.Now().Before(c.notUntil):
		return false
	}
	inner, err := b.available()
	if err != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(b.ctx, b.opts.Timeout)
	_, err = inner.Save(ctx, c.Sample)
	cancel()
	switch {
	case err == nil:
		b.done(k, c, true)
		return true
	case errors.Is(err, store.ErrRefused):
		b.done(k, c, false)
		b.opts.Logger.WithError(err).WithField("region", k.source).Error("a change that waited is refused by the database and lost")
		return true
	case errors.Is(b.explain(b.ctx, err), ErrUnavailable) || b.ctx.Err() != nil:
		return false
	}
	b.mu.Lock()
	b.refusing = err
	b.mu.Unlock()
	c.attempts++ // only flush writes these
	c.notUntil = time.Now().Add(min(b.opts.Retry<<c.attempts, time.Minute))
	log := b.opts.Logger.WithError(err).WithField("region", k.source)
	if c.attempts < maxAttempts {
		if c.attempts == 1 {
			log.Warn("a change cannot be stored although the database answers: it is tried again")
		}
		return false
	}
	b.done(k, c, false)
	log.Error("a change that waited failed too often and is lost")
	return true
}

// done takes a change off, unless a bound took it before.
func (b *Buffer) done(k key, c *change, stored bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if stored {
		b.pending.stored[k] = c.Data
	}
	if b.pending.oldest(k) != c {
		return
	}
	b.pending.remove(k)
	if !stored {
		b.pending.dropped++
	}
}
