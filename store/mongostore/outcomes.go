package mongostore

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/devops-insights/devops-insights/store"
)

// Intervals are kept in two collections. A region's document in
// metrics_outcomes_latest is its head: the newest interval, the term that wrote
// it, and a version that counts the writes. Every write of a region replaces the
// head if it has the version that was read, so that no writer whose term is over
// gets anything in, whenever it goes on. What the newest interval pushes out, and
// older intervals that are written again, stand in the head until they have been
// written to metrics_outcomes; whoever finds some left over writes them.

// regionID is the _id of the documents of which a region has one: the text
// ["api","source"].
type regionID struct{ API, Source string }

// MarshalBSONValue implements bson.ValueMarshaler.
func (r regionID) MarshalBSONValue() (kind byte, data []byte, err error) {
	return byte(bson.TypeString), textValue(textID(r.API, r.Source)).Value, nil
}

// textID is an _id of names and numbers: servers find a text more quickly than
// an object.
func textID(parts ...any) string {
	text, _ := json.Marshal(parts) // which they always can be
	return string(text)
}

// UnmarshalBSONValue implements bson.ValueUnmarshaler.
func (r *regionID) UnmarshalBSONValue(kind byte, data []byte) error {
	var names [2]string
	if err := json.Unmarshal(textOf(bson.RawValue{Type: bson.Type(kind), Value: data}), &names); err != nil || kind != byte(bson.TypeString) {
		return errors.New("its _id is not that of a region")
	}
	r.API, r.Source = names[0], names[1]
	return nil
}

// interval is an interval as it is kept.
type interval struct {
	From     time.Time   `bson:"from"`
	To       time.Time   `bson:"to"`
	Until    time.Time   `bson:"until"`
	State    store.State `bson:"state"`
	Reason   string      `bson:"reason"`
	Polls    int64       `bson:"polls"`
	Failures int64       `bson:"failures"`
	Latency  []byte      `bson:"latency"`
	// Version is that of the head which this was written with: of two intervals
	// with one From the one with the later version counts.
	Version int64 `bson:"version"`
}

func newInterval(i store.Interval) interval {
	return interval{
		From: store.Milliseconds(i.From), To: store.Milliseconds(i.To), Until: store.Milliseconds(i.Until),
		State: i.State, Reason: i.Reason, Polls: i.Polls, Failures: i.Failures, Latency: i.Latency,
	}
}

func (i interval) of(r regionID) store.Interval {
	out := store.Interval{
		API: r.API, Source: r.Source, From: i.From.UTC(), To: i.To.UTC(), Until: i.Until.UTC(),
		State: i.State, Reason: i.Reason, Polls: i.Polls, Failures: i.Failures,
	}
	if len(i.Latency) > 0 {
		out.Latency = i.Latency
	}
	return out
}

// head is the document of a region in metrics_outcomes_latest.
type head struct {
	ID      regionID      `bson:"_id"`
	Term    int64         `bson:"term"`
	Version int64         `bson:"version"`
	Writer  bson.ObjectID `bson:"writer"` // the call that wrote it
	Last    interval      `bson:"last"`
	Pending []interval    `bson:"pending"` // not in metrics_outcomes yet
}

// with returns the head after intervals were put, which are in the order of
// From, each once. The pending ones of h must be written.
func (h *head) with(region regionID, put []interval, term int64, writer bson.ObjectID) head {
	next := head{ID: region, Term: term, Version: firstNumber(), Writer: writer}
	newest := len(put) - 1
	if h != nil {
		next.Version = h.Version + 1
	}
	for i := range put {
		put[i].Version = next.Version
	}
	next.Pending = slices.Clone(put[:newest])
	next.Last = put[newest]
	if h == nil {
		return next
	}
	switch h.Last.From.Compare(next.Last.From) {
	case 1:
		next.Pending, next.Last = append(next.Pending, next.Last), h.Last
	case -1:
		if !slices.ContainsFunc(put, func(i interval) bool { return i.From.Equal(h.Last.From) }) {
			next.Pending = append(next.Pending, h.Last)
		}
	}
	return next
}

// Bounds of one write: intervals of one region, and regions.
const (
	maxIntervals = 100
	maxRegions   = 500
)

// PutOutcomes implements store.Outcomes. All intervals of one region are stored
// or none, up to a hundred of them; a region that is fenced does not keep the
// others from being stored.
func (s *Store) PutOutcomes(ctx context.Context, term int64, intervals []store.Interval) error {
	var order []regionID
	of := make(map[regionID][]interval)
	for _, i := range intervals {
		r := regionID{i.API, i.Source}
		if len(of[r]) == 0 {
			order = append(order, r)
		}
		of[r] = append(of[r], newInterval(i))
	}
	for r := range of {
		of[r] = inTimeOrder(of[r])
	}
	var fenced error
	for batch := range slices.Chunk(order, maxRegions) {
		for begin := 0; ; begin += maxIntervals {
			put := make(map[regionID][]interval)
			for _, r := range batch {
				if all := of[r]; begin < len(all) {
					put[r] = all[begin:min(begin+maxIntervals, len(all))]
				}
			}
			if len(put) == 0 {
				break
			}
			err := s.putOutcomes(ctx, term, put)
			if err != nil && !errors.Is(err, store.ErrFenced) {
				return err
			}
			fenced = cmp.Or(fenced, err)
		}
	}
	return fenced
}

// inTimeOrder sorts intervals by From; of those with one From the last counts.
func inTimeOrder(all []interval) []interval {
	slices.Reverse(all)
	slices.SortStableFunc(all, func(a, b interval) int { return a.From.Compare(b.From) })
	return slices.CompactFunc(all, func(a, b interval) bool { return a.From.Equal(b.From) })
}

// outcomePut is one write of intervals of some regions.
type outcomePut struct {
	store  *Store
	term   int64
	writer bson.ObjectID
	put    map[regionID][]interval // what is to be written yet
	fenced error
}

// putOutcomes stores intervals of some regions, and returns an ErrFenced where
// some of them belong to another writer.
func (s *Store) putOutcomes(ctx context.Context, term int64, put map[regionID][]interval) error {
	if s.closed() {
		return store.ErrClosed
	}
	p := outcomePut{store: s, term: term, writer: bson.NewObjectID(), put: put}
	for range attempts {
		if done, err := p.try(ctx); done || err != nil {
			return cmp.Or(err, p.fenced)
		}
	}
	return errors.New("the outcomes could not be stored: other writers were first every time; only one instance should poll a region")
}

// try writes what is to be written on top of what is there. done is false where
// some of it has to be tried again.
func (p *outcomePut) try(ctx context.Context) (done bool, err error) {
	found, err := p.store.readHeads(ctx, p.put)
	if err != nil {
		return false, err
	}
	written, leftOver := p.sort(found)
	if err := p.store.settle(ctx, written, true); err != nil {
		return false, err
	}
	if err := p.store.settle(ctx, leftOver, false); err != nil {
		return false, err
	}
	var models []mongo.WriteModel
	var next []head
	for r, intervals := range p.put {
		h := found[r]
		n := h.with(r, slices.Clone(intervals), p.term, p.writer)
		next = append(next, n)
		if h == nil {
			models = append(models, mongo.NewInsertOneModel().SetDocument(n))
			continue
		}
		models = append(models, mongo.NewReplaceOneModel().SetFilter(h.filter()).SetReplacement(n))
	}
	if len(models) == 0 {
		return true, nil
	}
	all, err := bulkWrite(ctx, p.store.heads, models)
	if err != nil {
		return false, p.store.failure("the outcomes could not be stored", err)
	}
	if all {
		return true, p.store.settle(ctx, next, true)
	}
	return false, nil
}

// sort takes the regions out that are written, or belong to another writer. It
// returns the heads of the former, and those which have intervals left over.
func (p *outcomePut) sort(found map[regionID]*head) (written, leftOver []head) {
	for r := range p.put {
		h := found[r]
		switch {
		case h == nil:
		case h.Writer == p.writer:
			written = append(written, *h)
			delete(p.put, r)
		case h.Term > p.term:
			p.fenced = fmt.Errorf("the outcomes of %s, %s are written by term %d, not by %d: %w", r.API, r.Source, h.Term, p.term, store.ErrFenced)
			delete(p.put, r)
		case len(h.Pending) > 0:
			leftOver = append(leftOver, *h)
		}
	}
	return written, leftOver
}

func (h *head) filter() bson.D {
	return bson.D{{Key: "_id", Value: h.ID}, {Key: "version", Value: h.Version}}
}

// readHeads returns the heads of regions; those without one are missing.
func (s *Store) readHeads(ctx context.Context, of map[regionID][]interval) (map[regionID]*head, error) {
	ids := bson.A{}
	for r := range of {
		ids = append(ids, r)
	}
	cursor, err := s.heads.Find(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}})
	var all []head
	if err == nil {
		err = cursor.All(ctx, &all)
	}
	if err != nil {
		return nil, s.failure(s.heads.Name()+" could not be read", err)
	}
	found := make(map[regionID]*head, len(all))
	for i := range all {
		found[all[i].ID] = &all[i]
	}
	return found, nil
}

// settle writes the pending intervals of heads to where they stay, and takes
// them out of the heads, unless these are replaced right after. To do it again,
// or late, changes nothing.
func (s *Store) settle(ctx context.Context, heads []head, take bool) error {
	var documents []any
	var replace, taken []mongo.WriteModel
	for _, h := range heads {
		for _, i := range h.Pending {
			id := bson.E{Key: "_id", Value: textID(h.ID.API, h.ID.Source, i.From.UnixMilli())}
			documents = append(documents, append(append(bson.D{id}, append(h.ID.filter(), bson.E{Key: "from", Value: i.From})...), i.fields()...))
			replace = append(replace, mongo.NewUpdateOneModel().
				SetFilter(bson.D{id, {Key: "version", Value: bson.D{{Key: "$lt", Value: i.Version}}}}).
				SetUpdate(bson.D{{Key: "$set", Value: i.fields()}}))
		}
		if take && len(h.Pending) > 0 {
			taken = append(taken, mongo.NewUpdateOneModel().SetFilter(h.filter()).SetUpdate(
				bson.D{{Key: "$set", Value: bson.D{{Key: "pending", Value: bson.A{}}}}}))
		}
	}
	if len(documents) == 0 {
		return nil
	}
	_, err := insertOrUpdate(ctx, s.outcomes, documents, replace) // nearly always they are new
	if err == nil && len(taken) > 0 {
		_, err = bulkWrite(ctx, s.heads, taken)
	}
	if err != nil {
		return s.failure("the outcomes could not be stored", err)
	}
	return nil
}

func (r regionID) filter() bson.D { return ofRegion(r.API, r.Source) }

// fields are those of an interval that may change.
func (i interval) fields() bson.D {
	return bson.D{
		{Key: "to", Value: i.To}, {Key: "until", Value: i.Until}, {Key: "state", Value: i.State}, {Key: "reason", Value: i.Reason},
		{Key: "polls", Value: i.Polls}, {Key: "failures", Value: i.Failures}, {Key: "latency", Value: i.Latency},
		{Key: "version", Value: i.Version},
	}
}
