package boltstore

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"
	bolt "go.etcd.io/bbolt"

	"github.com/devops-insights/devops-insights/store"
)

// In the bubble time passes only while everyone waits: what is not held back
// takes none.
func TestChangesThatComeFastShareCommitsAndOthersWaitForNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		s, err := Open(Options{Path: filepath.Join(t.TempDir(), "test.db"), Retention: -1, CommitsPerSecond: 10})
		g.Expect(err).NotTo(HaveOccurred())
		defer func() { g.Expect(s.Close()).To(Succeed()) }()
		saved := 0
		save := func(count int) (took time.Duration, commits int) {
			began, before := time.Now(), commitsOf(s)
			var savers sync.WaitGroup
			for range count {
				saved++
				source := fmt.Sprint("region-", saved)
				savers.Go(func() {
					changed, err := s.Save(t.Context(), store.Sample{API: "acme", Source: source, Data: json.RawMessage(`1`), At: began})
					g.Expect(changed).To(BeTrue())
					g.Expect(err).NotTo(HaveOccurred())
				})
			}
			savers.Wait()
			return time.Since(began), commitsOf(s) - before
		}
		for range 10 {
			took, commits := save(1)
			g.Expect(took).To(BeZero(), "a burst")
			g.Expect(commits).To(Equal(1))
		}
		took, commits := save(50)
		g.Expect(took).To(Equal(100*time.Millisecond), "until it is their turn")
		g.Expect(commits).To(Equal(1), "all of them together")
		for range 5 {
			took, commits = save(maxBatch)
			g.Expect(took).To(BeZero(), "a full commit")
			g.Expect(commits).To(Equal(1))
		}
		took, _ = save(1)
		g.Expect(took).To(Equal(100*time.Millisecond), "and full ones are no debt")
		time.Sleep(time.Second)
		took, _ = save(1)
		g.Expect(took).To(BeZero(), "after a quiet time")
		g.Expect(s.AllLatest(t.Context(), "acme")).To(HaveLen(saved))
	})
}

// commitsOf is the number of commits that the file has seen.
func commitsOf(s *Store) (n int) {
	_ = s.db.View(func(tx *bolt.Tx) error {
		n = tx.ID()
		return nil
	})
	return n
}
