package mongostore

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// sweep deletes old history where the database has no TTL indexes, until the
// store is closed. Instances that do it at once do each other no harm.
func (s *Store) sweep() {
	ticker := time.NewTicker(s.opts.Sweep)
	defer ticker.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-ticker.C:
		}
		ctx, cancel := context.WithTimeout(context.Background(), s.opts.ConnectTimeout)
		old := bson.D{{Key: "createdAt", Value: bson.D{{Key: "$lt", Value: time.Now().Add(-s.opts.Retention)}}}}
		if _, err := s.history.DeleteMany(ctx, old); err != nil && !s.closed() {
			s.opts.Logger.WithError(err).Warn("old history could not be deleted, and is tried again")
		}
		cancel()
	}
}
