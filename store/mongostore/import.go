package mongostore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/devops-insights/devops-insights/store"
)

// importBatch bounds the rows of one write.
const importBatch = 500

// Import implements store.Importer. Data reads afterwards as JavaScript writes
// it, and has the hash of that. On a database with change streams other
// processes see a latest value that is replaced as they see one of any writer.
func (s *Store) Import(ctx context.Context, rows []store.Metric) (added int, err error) {
	if s.closed() {
		return 0, store.ErrClosed
	}
	for batch := range slices.Chunk(rows, importBatch) {
		n, err := s.importBatch(ctx, batch)
		added += n
		if err != nil {
			return added, err
		}
	}
	return added, nil
}

// importKey is what makes two rows the same.
type importKey struct {
	region regionID
	at     int64
	hash   string
}

// imported is a row on its way into the database.
type imported struct {
	incoming
	key     importKey
	updated time.Time
	id      bson.ObjectID // in the order of the rows
}

func prepareImport(m store.Metric) (imported, error) {
	in, err := prepare(store.Sample{API: m.API, Source: m.Source, Data: m.Data, At: m.CreatedAt})
	if err != nil {
		return imported{}, fmt.Errorf("the row of %s, %s at %s: %w", m.API, m.Source, m.CreatedAt.Format(time.RFC3339Nano), err)
	}
	if m.Hash != "" && m.Hash != store.Hash(m.Data) {
		in.hash = m.Hash // that of a text which the data no longer reads as
	}
	out := imported{incoming: in, updated: store.Milliseconds(m.UpdatedAt), id: bson.NewObjectID()}
	if m.UpdatedAt.IsZero() {
		out.updated = in.at
	}
	out.key = importKey{regionID{m.API, m.Source}, in.at.UnixMilli(), in.hash}
	return out, nil
}

func (i imported) document() bson.D {
	d := i.row(i.id)
	for at := range d {
		if d[at].Key == "updatedAt" {
			d[at].Value = i.updated
		}
	}
	return d
}

// importBatch adds rows, and takes the marks of their regions back.
func (s *Store) importBatch(ctx context.Context, rows []store.Metric) (added int, err error) {
	var all []imported
	regions := make(map[regionID][]imported)
	seen := make(map[importKey]bool)
	for _, m := range rows {
		in, err := prepareImport(m)
		if err != nil {
			return 0, err
		}
		if !seen[in.key] {
			seen[in.key] = true
			all = append(all, in)
		}
	}
	there, err := s.importedAlready(ctx, all)
	if err != nil {
		return 0, err
	}
	for _, in := range all {
		if len(there[in.key]) == 0 {
			regions[in.key.region] = append(regions[in.key.region], in)
		}
	}
	for r, rows := range regions {
		n, err := s.importRegion(ctx, r, rows)
		added += n
		if err != nil {
			return added, err
		}
	}
	slices.SortStableFunc(all, func(a, b imported) int { return a.at.Compare(b.at) })
	newest, first := make(map[regionID]imported), make(map[regionID]time.Time)
	for _, in := range all {
		if _, ok := first[in.key.region]; !ok {
			first[in.key.region] = in.at
		}
		newest[in.key.region] = in
	}
	for r, in := range newest {
		if err := s.importLatest(ctx, in, first[r]); err != nil {
			return added, err
		}
	}
	return added, nil
}

// importedAlready returns the _ids of the rows that the history has.
func (s *Store) importedAlready(ctx context.Context, rows []imported) (map[importKey][]bson.RawValue, error) {
	times := make(map[regionID]bson.A)
	for _, in := range rows {
		times[in.key.region] = append(times[in.key.region], in.at)
	}
	there := make(map[importKey][]bson.RawValue)
	for r, at := range times {
		filter := append(r.filter(), bson.E{Key: "createdAt", Value: bson.D{{Key: "$in", Value: at}}})
		err := s.each(ctx, s.history, filter, options.Find().SetProjection(withoutData()), func(d document) error {
			key := importKey{r, d.created.UnixMilli(), d.hash}
			there[key] = append(there[key], clone(d.id))
			return nil
		}, func(bson.RawValue, error) {})
		if err != nil {
			return nil, err
		}
	}
	return there, nil
}

// importRegion adds rows of one region that the history has not.
func (s *Store) importRegion(ctx context.Context, r regionID, rows []imported) (added int, err error) {
	first := slices.MinFunc(rows, func(a, b imported) int { return a.at.Compare(b.at) })
	late, err := s.beginLate(ctx, r, first.at)
	if err != nil {
		return 0, err
	}
	documents := make([]any, len(rows))
	for i, in := range rows {
		documents[i] = in.document()
	}
	if _, err := s.history.InsertMany(ctx, documents); err != nil {
		return 0, s.failure("the rows could not be imported", err)
	}
	twice, err := s.removeSecond(ctx, rows)
	if err != nil {
		return len(rows), err
	}
	return len(rows) - twice, s.endLate(ctx, r, late)
}

// removeSecond removes what another importer has added at the same time: of rows
// that are the same the one with the least _id stays. It returns how many of its
// own it has removed.
func (s *Store) removeSecond(ctx context.Context, rows []imported) (removed int, err error) {
	there, err := s.importedAlready(ctx, rows)
	if err != nil {
		return 0, err
	}
	var second bson.A
	for _, in := range rows {
		ids := there[in.key]
		slices.SortFunc(ids, compareIDs)
		if len(ids) == 0 || !bytes.Equal(ids[0].Value, in.id[:]) {
			removed++
		}
		for _, id := range ids[min(1, len(ids)):] {
			second = append(second, id)
		}
	}
	if len(second) == 0 {
		return removed, nil
	}
	_, err = s.history.DeleteMany(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: second}}}})
	if err != nil {
		return 0, s.failure("rows that two imports have added at once could not be removed", err)
	}
	return removed, nil
}

// importLatest replaces the latest value of a region where it is older than an
// imported row.
func (s *Store) importLatest(ctx context.Context, newest imported, first time.Time) error {
	r := s.regions.of(newest.API, newest.Source)
	if err := r.lock(ctx); err != nil {
		return err
	}
	defer r.unlock()
	for range attempts {
		previous, err := s.state(ctx, newest.API, newest.Source)
		if err != nil {
			return err
		}
		if previous != nil && !previous.updatedAt.Before(newest.at) {
			return nil
		}
		s.imports.add(newest)
		if previous == nil {
			d := newest.document()
			d = append(bson.D{{Key: "_id", Value: bson.NewObjectID()}}, d[1:]...)
			for at := range d {
				if d[at].Key == "createdAt" {
					d[at].Value = first
				}
			}
			_, err = s.latest.InsertOne(ctx, d)
		} else {
			in := newest.incoming
			in.at = newest.updated
			err = s.writeLatest(ctx, in, previous)
		}
		if err == nil {
			return nil
		}
		if !errors.Is(err, errConflict) && !mongo.IsDuplicateKeyError(err) {
			return s.failure("the latest value could not be imported", err)
		}
	}
	return errConflict
}

// imports are the latest values that this process has imported: the change
// stream brings them, and they are not to be announced.
type imports struct {
	mu sync.Mutex
	of map[region]importedValue
}

type importedValue struct {
	hash    string
	updated time.Time
}

func (i *imports) add(in imported) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.of == nil {
		i.of = make(map[region]importedValue)
	}
	i.of[region{in.API, in.Source}] = importedValue{in.hash, in.updated}
}

func (i *imports) has(m store.Metric) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	v, ok := i.of[region{m.API, m.Source}]
	return ok && v.hash == m.Hash && v.updated.Equal(m.UpdatedAt)
}
