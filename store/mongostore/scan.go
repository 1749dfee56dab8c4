package mongostore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/devops-insights/devops-insights/store"
)

// Scan implements store.Reader. Rows without createdAt, which nobody should have
// made, are the oldest, and in no range.
func (s *Store) Scan(ctx context.Context, q store.Query, each func(store.Metric) error) error {
	if q.Limit < 1 {
		return fmt.Errorf("a history limit of %d: it must be positive", q.Limit)
	}
	base := bson.D{{Key: "api", Value: q.API}}
	if q.Source != "" {
		base = append(base, bson.E{Key: "source", Value: q.Source})
	}
	direction := -1
	if q.OldestFirst {
		direction = 1
	}
	within := bounds{from: q.From, to: q.To}
	p := parts{scan{store: s, base: base, within: within, direction: direction, limit: min(q.Limit, maxLimit), each: each}}
	err := p.all(ctx, q.After)
	for own := (handlerError{}); errors.As(err, &own); { // each part may have wrapped it
		err = own.error
	}
	return err
}

// maxLimit is more than any collection holds.
const maxLimit = 1 << 40

// parts are the one to three scans that make one: what is left of the
// millisecond of a row, what comes behind it, and rows without createdAt.
type parts struct{ scan }

func (p *parts) all(ctx context.Context, after string) error {
	if after == "" {
		return p.run(ctx)
	}
	row, err := parseRowID(after)
	if err != nil {
		return err
	}
	if p.within.hold(row) {
		if err := p.millisecondAfter(ctx, row); err != nil {
			return err
		}
	}
	undated := p.within == bounds{}
	switch {
	case row.dated && p.direction > 0:
		p.within.after = &row.at
	case row.dated:
		p.within.before = &row.at
	case p.direction > 0:
		p.within.dated = true
	default:
		return nil
	}
	if err := p.next(ctx); err != nil || !row.dated || p.direction > 0 || !undated {
		return err
	}
	p.undated = true
	return p.next(ctx)
}

// next runs one part more, for what is left of the limit.
func (p *parts) next(ctx context.Context) error {
	p.limit -= p.handed
	p.handed = 0
	if p.limit < 1 {
		return nil
	}
	return p.run(ctx)
}

// millisecondAfter hands on what comes behind a row in its millisecond.
func (p *parts) millisecondAfter(ctx context.Context, after rowID) error {
	p.place = 0
	return p.millisecond(ctx, after.createdAt(), after.notUntil(p.direction), func(id bson.RawValue) bool { return after.isBehind(id, p.direction) })
}

// bounds are those of createdAt; rows without it are in none.
type bounds struct {
	from, to      time.Time // both inclusive, no bound when zero
	after, before *int64    // milliseconds, exclusive
	dated         bool      // rows that have a createdAt
}

func (b bounds) query() (when bson.D) {
	add := func(operator string, at any) { when = append(when, bson.E{Key: operator, Value: at}) }
	if !b.from.IsZero() {
		add("$gte", b.from)
	}
	if !b.to.IsZero() {
		add("$lte", b.to)
	}
	if b.after != nil {
		add("$gt", bson.DateTime(*b.after))
	}
	if b.before != nil {
		add("$lt", bson.DateTime(*b.before))
	}
	if b.dated && when == nil {
		add("$gte", firstDate)
	}
	return when
}

// hold reports whether a row is within the bounds.
func (b bounds) hold(r rowID) bool {
	if !r.dated {
		return b == bounds{}
	}
	return (b.from.IsZero() || r.at >= b.from.UnixMilli()) && (b.to.IsZero() || r.at <= b.to.UnixMilli())
}

// scan hands on the rows that match: by createdAt, and within one millisecond by
// _id. The server sorts by createdAt alone, for which it has an index; it is
// asked once more for a millisecond that its limit cuts in two, that holds very
// many rows, or in which an _id is no ObjectID, whose order we know.
type scan struct {
	store     *Store
	base      bson.D // api and source
	within    bounds
	undated   bool // rows without createdAt alone
	direction int  // 1: oldest first, -1: newest first
	limit     int
	each      func(store.Metric) error
	handed    int // rows so far, of all passes

	place int   // of the next row in this pass
	same  []row // rows of one millisecond
	ask   bool  // the server has to sort them
}

// maxSame bounds the rows of one millisecond that are held in memory.
const maxSame = 1000

func (c *scan) filter() bson.D {
	if c.undated {
		return append(slices.Clone(c.base), bson.E{Key: "createdAt", Value: nil})
	}
	if when := c.within.query(); when != nil {
		return append(slices.Clone(c.base), bson.E{Key: "createdAt", Value: when})
	}
	return c.base
}

func (c *scan) run(ctx context.Context) error {
	for extra := 0; ; {
		skipped, err := c.pass(ctx, extra)
		// Where documents that cannot be read took the place of others, more are
		// asked for.
		if err != nil || c.handed >= c.limit || skipped <= extra {
			return err
		}
		extra = 2 * skipped
	}
}

// pass goes through limit and extra documents. It hands on what the passes
// before have not, and returns how many documents could not be read.
func (c *scan) pass(ctx context.Context, extra int) (skipped int, err error) {
	c.place, c.same, c.ask = 0, nil, false
	most, found := c.limit+1+extra, 0
	skip := func(id bson.RawValue, err error) {
		skipped, found = skipped+1, found+1
		c.store.unreadable.add(c.store.opts.Logger, c.store.history.Name(), id, err)
	}
	ordered := options.Find().SetSort(bson.D{{Key: "createdAt", Value: c.direction}}).SetLimit(int64(most))
	err = c.store.each(ctx, c.store.history, c.filter(), ordered, func(d document) error {
		m, err := d.metric()
		if err != nil {
			return err
		}
		r := row{m, clone(d.id), d.dated}
		if len(c.same) > 0 && !c.same[0].sameTime(r) {
			if err := c.hand(ctx); err != nil {
				return handlerError{err}
			}
		}
		found++
		c.add(r)
		return nil
	}, skip)
	if err != nil || len(c.same) == 0 || c.place >= c.limit {
		return skipped, err
	}
	c.ask = c.ask || found == most // there may be more of the last millisecond
	return skipped, c.hand(ctx)
}

func (c *scan) add(r row) {
	if len(c.same) > 0 {
		c.ask = c.ask || len(c.same) == maxSame || r.id.Type != bson.TypeObjectID || c.same[0].id.Type != bson.TypeObjectID
	}
	if len(c.same) < maxSame {
		c.same = append(c.same, r)
	}
}

// hand hands on the rows of one millisecond.
func (c *scan) hand(ctx context.Context) error {
	if c.ask {
		at := rowID{at: c.same[0].CreatedAt.UnixMilli(), dated: c.same[0].dated}
		c.same, c.ask = c.same[:0], false
		return c.millisecond(ctx, at.createdAt(), nil, func(bson.RawValue) bool { return true })
	}
	slices.SortFunc(c.same, func(a, b row) int { return c.direction * compareIDs(a.id, b.id) })
	for _, r := range c.same {
		if err := c.one(r); err != nil {
			return err
		}
	}
	c.same = c.same[:0]
	return nil
}

// errEnough ends a read that has as much as was asked for.
var errEnough = errors.New("the limit is reached")

// millisecond hands on the rows of one millisecond that are wanted, as the server
// sorts them.
func (c *scan) millisecond(ctx context.Context, at any, condition bson.D, wanted func(id bson.RawValue) bool) error {
	if c.handed >= c.limit {
		return nil
	}
	filter := append(append(slices.Clone(c.base), bson.E{Key: "createdAt", Value: at}), condition...)
	// By both, so that no server walks through all documents by their _id.
	ordered := options.Find().SetSort(bson.D{{Key: "createdAt", Value: c.direction}, {Key: "_id", Value: c.direction}})
	err := c.store.decodeEach(ctx, c.store.history, filter, ordered, func(raw bson.Raw) error {
		d, err := parse(raw)
		if err != nil {
			return err
		}
		if !wanted(d.id) {
			return nil
		}
		m, err := d.metric()
		if err != nil {
			return err
		}
		if err := c.one(row{m, d.id, d.dated}); err != nil {
			return handlerError{err}
		}
		if c.handed >= c.limit {
			return handlerError{errEnough}
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// one hands on a row, unless a pass before has.
func (c *scan) one(r row) error {
	if c.place++; c.place <= c.handed || c.handed >= c.limit {
		return nil
	}
	c.handed++
	r.ID = idOf(r.CreatedAt, r.dated, r.id)
	if err := c.each(r.Metric); err != nil {
		return handlerError{err}
	}
	return nil
}

func (r row) sameTime(other row) bool {
	return r.dated == other.dated && r.CreatedAt.Equal(other.CreatedAt)
}
