package mongostore

import (
	"context"
	"errors"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// bulkWrite makes writes that each stand alone. all reports that every one of
// them found what it was to change; one that found something newer, or a
// document where it was to make one, is no error.
func bulkWrite(ctx context.Context, c *mongo.Collection, models []mongo.WriteModel) (all bool, err error) {
	unordered := options.BulkWrite().SetOrdered(false)
	result, err := c.BulkWrite(ctx, models, unordered)
	if err == nil {
		return result.InsertedCount+result.MatchedCount+result.UpsertedCount == int64(len(models)), nil
	}
	if !mongo.IsDuplicateKeyError(err) {
		return false, err
	}
	// A server may have left out all others because of one: each alone, then.
	for _, m := range models {
		if _, err := c.BulkWrite(ctx, []mongo.WriteModel{m}, unordered); ignoreDuplicate(err) != nil {
			return false, err
		}
	}
	return false, nil
}

// insertOrUpdate inserts documents, and makes the update of the same place for
// each that is there already. all is as with bulkWrite.
func insertOrUpdate(ctx context.Context, c *mongo.Collection, documents []any, updates []mongo.WriteModel) (all bool, err error) {
	_, err = c.InsertMany(ctx, documents, options.InsertMany().SetOrdered(false))
	if !mongo.IsDuplicateKeyError(err) {
		return err == nil, err
	}
	var failed mongo.BulkWriteException
	if !errors.As(err, &failed) {
		return false, err
	}
	var there []mongo.WriteModel
	for _, e := range failed.WriteErrors {
		if !mongo.IsDuplicateKeyError(e) || e.Index >= len(updates) {
			return false, err
		}
		there = append(there, updates[e.Index])
	}
	return bulkWrite(ctx, c, there)
}
