package mongostore

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/devops-insights/devops-insights/store"
)

func (s *Store) find(ctx context.Context, api, source string, o ...options.Lister[options.FindOneOptions]) (*document, error) {
	var d document
	err := s.latest.FindOne(ctx, bson.D{{Key: "api", Value: api}, {Key: "source", Value: source}}, o...).Decode(&d)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return nil, store.ErrNotFound
	}
	if err != nil {
		return nil, s.failure("the latest value could not be read", err)
	}
	return &d, nil
}

// state is the latest value without its data, which comparing needs not.
func (s *Store) state(ctx context.Context, api, source string) (*document, error) {
	return s.find(ctx, api, source, options.FindOne().SetProjection(bson.D{{Key: "data", Value: 0}}))
}

// Latest implements store.Reader.
func (s *Store) Latest(ctx context.Context, api, source string) (store.Metric, error) {
	if s.closed() {
		return store.Metric{}, store.ErrClosed
	}
	d, err := s.find(ctx, api, source)
	if err != nil {
		return store.Metric{}, err
	}
	return d.metric(), nil
}

// AllLatest implements store.Reader.
func (s *Store) AllLatest(ctx context.Context, api string) ([]store.Metric, error) {
	documents, err := s.query(ctx, s.latest, bson.D{{Key: "api", Value: api}}, options.Find())
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(documents, func(a, b document) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), compareIDs(a.ID, b.ID))
	})
	return metrics(documents), nil
}

// History implements store.Reader.
func (s *Store) History(ctx context.Context, q store.Query) ([]store.Metric, error) {
	filter := bson.D{{Key: "api", Value: q.API}}
	if q.Source != "" {
		filter = append(filter, bson.E{Key: "source", Value: q.Source})
	}
	var when bson.D
	if !q.From.IsZero() {
		when = append(when, bson.E{Key: "$gte", Value: q.From})
	}
	if !q.To.IsZero() {
		when = append(when, bson.E{Key: "$lte", Value: q.To})
	}
	if when != nil {
		filter = append(filter, bson.E{Key: "createdAt", Value: when})
	}
	documents, err := s.query(ctx, s.history, filter,
		options.Find().SetSort(bson.D{{Key: "createdAt", Value: -1}}).SetLimit(int64(q.Limit)))
	return metrics(documents), err
}

func (s *Store) query(ctx context.Context, c *mongo.Collection, filter bson.D, o *options.FindOptionsBuilder) ([]document, error) {
	if s.closed() {
		return nil, store.ErrClosed
	}
	cursor, err := c.Find(ctx, filter, o)
	if err != nil {
		return nil, s.failure(c.Name()+" could not be read", err)
	}
	var documents []document
	if err := cursor.All(ctx, &documents); err != nil {
		return nil, s.failure(c.Name()+" could not be read", err)
	}
	return documents, nil
}

func metrics(documents []document) []store.Metric {
	all := make([]store.Metric, len(documents))
	for i := range documents {
		all[i] = documents[i].metric()
	}
	return all
}

// compareIDs orders object ids by their time and count, others by their text.
func compareIDs(a, b any) int {
	x, xok := a.(bson.ObjectID)
	y, yok := b.(bson.ObjectID)
	if xok && yok {
		return bytes.Compare(x[:], y[:])
	}
	return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b))
}
