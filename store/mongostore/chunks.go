package mongostore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/devops-insights/devops-insights/store"
)

// chunksPerWrite bounds one write, and maxAborted the writes that are remembered
// as not finished: one each time that an instance died or was cut off in the
// middle of one.
const (
	chunksPerWrite = 500
	maxAborted     = 1000
)

// PutChunks implements store.Rollups. A write claims a number, writes its chunks
// in the place of those with lower numbers, and then the mark, if nobody has
// claimed since. Whoever claims after a write that was not finished takes the
// chunks there are under its own number and remembers the other one's, so that
// nothing which that writes later counts.
func (s *Store) PutChunks(ctx context.Context, term int64, m store.Mark, chunks []store.Chunk) error {
	r := regionID{m.API, m.Source}
	for _, c := range chunks {
		if c.API != m.API || c.Source != m.Source {
			return fmt.Errorf("a chunk of %s, %s does not belong to the mark of %s, %s", c.API, c.Source, m.API, m.Source)
		}
	}
	claimed, err := s.claim(ctx, term, m, chunks)
	if err != nil {
		return err
	}
	for batch := range slices.Chunk(chunks, chunksPerWrite) {
		documents, updates := make([]any, len(batch)), make([]mongo.WriteModel, len(batch))
		for i, c := range batch {
			documents[i], updates[i] = putChunk(c, claimed.Claim)
		}
		all, err := insertOrUpdate(ctx, s.chunks, documents, updates)
		if err != nil {
			return s.failure("the roll-up could not be stored", err)
		}
		if !all { // the mark tells who was later
			return s.overtaken(ctx, r, term)
		}
	}
	result, err := s.marks.UpdateOne(ctx, append(claimed.ID.key(),
		bson.E{Key: "revision", Value: m.Revision}, bson.E{Key: "claim", Value: claimed.Claim},
	), bson.D{{Key: "$set", Value: bson.D{
		{Key: "to", Value: m.To}, {Key: "fields", Value: append([]string{}, m.Fields...)}, {Key: "revision", Value: m.Revision + 1}, {Key: "done", Value: claimed.Claim},
	}}})
	if err != nil {
		return s.failure("the roll-up could not be stored", err)
	}
	if result.MatchedCount == 0 {
		return s.overtaken(ctx, r, term)
	}
	s.rolledUp.set(r, m.To)
	return nil
}

// overtaken says why somebody else was later.
func (s *Store) overtaken(ctx context.Context, r regionID, term int64) error {
	now, _, err := s.readMark(ctx, r)
	if err != nil {
		return err
	}
	return now.refuse(term)
}

func (m *mark) refuse(term int64) error {
	if m.Term > term {
		return fmt.Errorf("%s, %s are rolled up by term %d, not by %d: %w", m.ID.API, m.ID.Source, m.Term, term, store.ErrFenced)
	}
	return fmt.Errorf("%s, %s: %w", m.ID.API, m.ID.Source, store.ErrConflict)
}

// claim begins a write of chunks on top of the mark that the caller has read.
func (s *Store) claim(ctx context.Context, term int64, m store.Mark, chunks []store.Chunk) (mark, error) {
	now, found, err := s.readMark(ctx, regionID{m.API, m.Source})
	if err != nil {
		return mark{}, err
	}
	if found && now.Term > term || now.Revision != m.Revision {
		return mark{}, now.refuse(term)
	}
	next := now
	next.Term, next.Claim, next.ClaimFrom = term, now.Claim+1, map[store.Tier]time.Time{}
	if now.Claim == 0 {
		next.Claim = firstNumber()
	}
	begin := func(tier store.Tier, at time.Time) {
		if first, ok := next.ClaimFrom[tier]; !ok || at.Before(first) {
			next.ClaimFrom[tier] = at
		}
	}
	for _, c := range chunks {
		begin(c.Tier, c.Start)
	}
	unfinished := now.Done != now.Claim
	if unfinished {
		next.Aborted = append(slices.Clone(now.Aborted), now.Claim)
		next.Aborted = next.Aborted[max(len(next.Aborted)-maxAborted, 0):]
		for tier, at := range now.ClaimFrom {
			begin(tier, at)
		}
	}
	if err := s.writeClaim(ctx, now, next, found); err != nil {
		if errors.Is(err, errConflict) {
			return mark{}, s.overtaken(ctx, now.ID, term)
		}
		return mark{}, s.failure("the roll-up could not be stored", err)
	}
	if unfinished {
		return next, s.takeOver(ctx, next)
	}
	return next, nil
}

// firstNumber is higher than any that was counted up to from an earlier one:
// where a collection with numbers is lost, what was written under the old ones
// must not seem to be newer.
func firstNumber() int64 { return time.Now().UnixMilli() }

// writeClaim replaces a mark, or returns errConflict.
func (s *Store) writeClaim(ctx context.Context, now, next mark, found bool) error {
	next = next.withLists()
	if !found {
		_, err := s.marks.InsertOne(ctx, next)
		if mongo.IsDuplicateKeyError(err) {
			return errConflict
		}
		return err
	}
	result, err := s.marks.UpdateOne(ctx, append(now.ID.key(),
		bson.E{Key: "revision", Value: now.Revision}, bson.E{Key: "claim", Value: now.Claim},
	), bson.D{{Key: "$set", Value: bson.D{
		{Key: "term", Value: next.Term}, {Key: "claim", Value: next.Claim}, {Key: "claimFrom", Value: next.ClaimFrom}, {Key: "aborted", Value: next.Aborted},
	}}})
	if err == nil && result.MatchedCount == 0 {
		err = errConflict
	}
	return err
}

// takeOver puts the chunks which an unfinished write may still be writing under
// the number of a new one: that of the unfinished one is too low for them from
// now on.
func (s *Store) takeOver(ctx context.Context, next mark) error {
	for tier, from := range next.ClaimFrom {
		_, err := s.chunks.UpdateMany(ctx, append(next.ID.filter(),
			bson.E{Key: "tier", Value: tier}, bson.E{Key: "start", Value: bson.D{{Key: "$gte", Value: from}}},
			bson.E{Key: "claim", Value: bson.D{{Key: "$lt", Value: next.Claim}}},
		), bson.D{{Key: "$set", Value: bson.D{{Key: "claim", Value: next.Claim}}}})
		if err != nil {
			return s.failure("the roll-up could not be taken over", err)
		}
	}
	return nil
}

// chunkOverhead is about what a chunk takes beside its points.
const chunkOverhead = 200

// putChunk returns the document of a new chunk, and the update that puts it in
// the place of one with a number that is not higher.
func putChunk(c store.Chunk, claim int64) (document bson.D, update mongo.WriteModel) {
	id := bson.E{Key: "_id", Value: textID(c.API, c.Source, c.Field, c.Tier, c.Start.UnixMilli())}
	set := bson.D{
		{Key: "data", Value: append([]byte{}, c.Data...)}, {Key: "size", Value: int64(len(c.Data) + 2*len(c.Field) + chunkOverhead)},
		{Key: "claim", Value: claim},
	}
	document = append(bson.D{
		id, {Key: "api", Value: c.API}, {Key: "source", Value: c.Source}, {Key: "field", Value: c.Field}, {Key: "tier", Value: c.Tier},
		{Key: "start", Value: c.Start}, {Key: "made", Value: claim},
	}, set...)
	return document, mongo.NewUpdateOneModel().
		SetFilter(bson.D{id, {Key: "claim", Value: bson.D{{Key: "$lte", Value: claim}}}}).SetUpdate(bson.D{{Key: "$set", Value: set}})
}

// chunk is a chunk as it is read.
type chunk struct {
	Start time.Time `bson:"start"`
	Claim int64     `bson:"claim"` // of the write that it is of
	Made  int64     `bson:"made"`  // of the write that made it
}

// ScanChunks implements store.Rollups.
func (s *Store) ScanChunks(ctx context.Context, q store.ChunkQuery, each func(store.Chunk) error) error {
	m, found, err := s.readMark(ctx, regionID{q.API, q.Source})
	if err != nil || !found {
		return err
	}
	filter := append(m.ID.filter(), bson.E{Key: "field", Value: q.Field}, bson.E{Key: "tier", Value: q.Tier})
	var when bson.D
	if !q.From.IsZero() {
		when = append(when, bson.E{Key: "$gt", Value: q.From.Add(-q.Tier.Span())})
	}
	if !q.To.IsZero() {
		when = append(when, bson.E{Key: "$lt", Value: q.To})
	}
	if when != nil {
		filter = append(filter, bson.E{Key: "start", Value: when})
	}
	oldest := options.Find().SetSort(bson.D{{Key: "start", Value: 1}})
	return s.decodeEach(ctx, s.chunks, filter, oldest, func(raw bson.Raw) error {
		var c chunk
		if err := bson.Unmarshal(raw, &c); err != nil {
			return err
		}
		_, data, ok := raw.Lookup("data").BinaryOK()
		if !ok {
			return errors.New("it has no data")
		}
		if c.Claim == c.Made && slices.Contains(m.Aborted, c.Claim) {
			return nil
		}
		if err := each(store.Chunk{API: q.API, Source: q.Source, Field: q.Field, Tier: q.Tier, Start: c.Start.UTC(), Data: data}); err != nil {
			return handlerError{err}
		}
		return nil
	})
}
