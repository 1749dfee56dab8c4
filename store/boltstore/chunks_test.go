package boltstore

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	bolt "go.etcd.io/bbolt"

	"github.com/devops-insights/devops-insights/store"
)

var _ = Describe("a chunk of a tier that is damaged in the file", func() {
	It("is handed on without its data, keeps none of the others back, and can be stored again", func(ctx SpecContext) {
		s := open(Options{Path: temporary(), Retention: -1})
		var chunks []store.Chunk
		for hour := range 3 {
			chunks = append(chunks, store.Chunk{
				API: "acme", Source: "eu-west", Field: "load", Tier: store.TierMinute,
				Start: time.UnixMilli(0).Add(time.Duration(hour) * time.Hour).UTC(), Data: []byte{byte(hour), 1},
			})
		}
		m := store.Mark{API: "acme", Source: "eu-west", To: time.UnixMilli(0).Add(3 * time.Hour).UTC(), Fields: []string{"load"}}
		Expect(s.PutChunks(ctx, 0, m, chunks)).To(Succeed())
		Expect(s.db.Update(func(tx *bolt.Tx) error {
			return tx.Bucket(bucketChunks()).Put(chunkKey(store.TierMinute, 1, 1), []byte("nonsense"))
		})).To(Succeed())

		damaged := chunks[1]
		damaged.Data, damaged.Damaged = []byte{}, true
		Expect(allChunks(ctx, s)).To(Equal([]store.Chunk{chunks[0], damaged, chunks[2]}))

		m, err := s.Mark(ctx, "acme", "eu-west")
		Expect(err).NotTo(HaveOccurred())
		Expect(s.PutChunks(ctx, 0, m, chunks[1:2])).To(Succeed())
		Expect(allChunks(ctx, s)).To(Equal(chunks))
	})
})

// allChunks returns the minutes of the field "load".
func allChunks(ctx context.Context, s *Store) (all []store.Chunk, err error) {
	q := store.ChunkQuery{API: "acme", Source: "eu-west", Field: "load", Tier: store.TierMinute}
	err = s.ScanChunks(ctx, q, func(c store.Chunk) error {
		c.Data = append([]byte{}, c.Data...)
		all = append(all, c)
		return nil
	})
	return all, err
}
