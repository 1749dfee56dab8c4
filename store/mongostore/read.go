package mongostore

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"

	"github.com/devops-insights/devops-insights/store"
)

// withoutData leaves out what comparing needs not.
func withoutData() bson.D { return bson.D{{Key: "data", Value: 0}} }

func ofRegion(api, source string) bson.D {
	return bson.D{{Key: "api", Value: api}, {Key: "source", Value: source}}
}

// state returns the version of a region's latest value, nil where there is
// none.
func (s *Store) state(ctx context.Context, api, source string) (*version, error) {
	raw, err := s.latest.FindOne(ctx, ofRegion(api, source), options.FindOne().SetProjection(withoutData())).Raw()
	if errors.Is(err, mongo.ErrNoDocuments) {
		return nil, nil
	}
	if err != nil {
		return nil, s.failure("the latest value could not be read", err)
	}
	d, err := parse(raw)
	if err != nil {
		s.unreadable.add(s.opts.Logger, s.latest.Name(), d.id, err)
	}
	return versionOf(d), nil
}

// Latest implements store.Reader.
func (s *Store) Latest(ctx context.Context, api, source string) (store.Metric, error) {
	rows, err := s.query(ctx, s.latest, ofRegion(api, source), options.Find().SetLimit(1))
	if err != nil {
		return store.Metric{}, err
	}
	if len(rows) == 0 {
		return store.Metric{}, store.ErrNotFound
	}
	return rows[0].Metric, nil
}

// AllLatest implements store.Reader.
func (s *Store) AllLatest(ctx context.Context, api string) ([]store.Metric, error) {
	rows, err := s.query(ctx, s.latest, bson.D{{Key: "api", Value: api}}, options.Find())
	return inFirstOrder(rows), err
}

// snapshot reads the latest values of all apis, in the order of AllLatest. It
// sees what is committed: a value that a failover could still take back has no
// event in the change stream.
func (s *Store) snapshot(ctx context.Context) ([]store.Metric, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*s.opts.ConnectTimeout)
	defer cancel()
	committed := s.latest.Clone(options.Collection().SetReadConcern(readconcern.Majority()))
	rows, err := s.query(ctx, committed, bson.D{}, options.Find())
	if noReadConcern(err) {
		rows, err = s.query(ctx, s.latest, bson.D{}, options.Find())
	}
	return inFirstOrder(rows), err
}

// hashes reads the hashes of all latest values.
func (s *Store) hashes(ctx context.Context) (map[region]string, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*s.opts.ConnectTimeout)
	defer cancel()
	found := make(map[region]string)
	err := s.each(ctx, s.latest, bson.D{}, options.Find().SetProjection(withoutData()), func(d document) error {
		if d.hash != "" {
			found[region{d.api, d.source}] = d.hash
		}
		return nil
	}, func(bson.RawValue, error) {})
	return found, err
}

// inFirstOrder sorts latest values by the first storing of their regions.
func inFirstOrder(rows []row) []store.Metric {
	slices.SortStableFunc(rows, func(a, b row) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), compareIDs(a.id, b.id))
	})
	return metrics(rows)
}

// row is a stored value and what breaks ties.
type row struct {
	store.Metric
	id    bson.RawValue
	dated bool // it has a createdAt
}

// query reads documents. Those that cannot be read are left out, counted and
// logged: one of them must not hide all others.
func (s *Store) query(ctx context.Context, c *mongo.Collection, filter bson.D, o *options.FindOptionsBuilder) (rows []row, err error) {
	err = s.each(ctx, c, filter, o, func(d document) error {
		m, err := d.metric()
		if err == nil {
			rows = append(rows, row{m, clone(d.id), d.dated})
		}
		return err
	}, func(id bson.RawValue, err error) { s.unreadable.add(s.opts.Logger, c.Name(), id, err) })
	return rows, err
}

// each calls do with the documents that are found, and skip with those that
// cannot be read or of which do says so. A handlerError of do ends it.
func (s *Store) each(ctx context.Context, c *mongo.Collection, filter bson.D, o *options.FindOptionsBuilder,
	do func(document) error, skip func(id bson.RawValue, err error),
) error {
	return s.documents(ctx, c, filter, o, func(raw bson.Raw) error {
		d, err := parse(raw)
		if err == nil {
			err = do(d)
		}
		if own := (handlerError{}); errors.As(err, &own) || err == nil {
			return err
		}
		skip(d.id, err)
		return nil
	})
}

// decodeEach calls do with the documents that are found. Those that do cannot
// read are left out, counted and logged; a handlerError of it ends all, and the
// error in it is returned.
func (s *Store) decodeEach(ctx context.Context, c *mongo.Collection, filter bson.D, o *options.FindOptionsBuilder, do func(bson.Raw) error) error {
	err := s.documents(ctx, c, filter, o, func(raw bson.Raw) error {
		err := do(raw)
		if own := (handlerError{}); errors.As(err, &own) || err == nil {
			return err
		}
		s.unreadable.add(s.opts.Logger, c.Name(), raw.Lookup("_id"), err)
		return nil
	})
	if own := (handlerError{}); errors.As(err, &own) {
		return own.error
	}
	return err
}

// documents calls do with the documents that are found, until it returns an
// error.
func (s *Store) documents(ctx context.Context, c *mongo.Collection, filter bson.D, o *options.FindOptionsBuilder, do func(bson.Raw) error) error {
	if s.closed() {
		return store.ErrClosed
	}
	cursor, err := c.Find(ctx, filter, o)
	if err != nil {
		return s.failure(c.Name()+" could not be read", err)
	}
	defer func() { _ = cursor.Close(context.WithoutCancel(ctx)) }()
	for cursor.Next(ctx) {
		if err := do(cursor.Current); err != nil {
			return err
		}
	}
	if err := cursor.Err(); err != nil {
		return s.failure(c.Name()+" could not be read", err)
	}
	return nil
}

func metrics(rows []row) []store.Metric {
	all := make([]store.Metric, len(rows))
	for i := range rows {
		all[i] = rows[i].Metric
	}
	return all
}

// compareIDs orders object ids by their time and count, as the server does;
// others, which nobody should have made, by their bytes.
func compareIDs(a, b bson.RawValue) int {
	return cmp.Or(cmp.Compare(a.Type, b.Type), bytes.Compare(a.Value, b.Value))
}
