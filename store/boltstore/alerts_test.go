package boltstore

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	logtest "github.com/sirupsen/logrus/hooks/test"
	bolt "go.etcd.io/bbolt"

	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/storetest"
)

func alertFile() storetest.AlertFactory {
	path := temporary()
	return func() storetest.Alerts { return open(Options{Path: path, Retention: -1}) }
}

var (
	_ = storetest.AlertSpecs("boltstore", alertFile)
	_ = storetest.AlertWriterSpecs("boltstore", alertFile,
		func(_ storetest.AlertFactory, s storetest.Alerts) storetest.Alerts { return s })
)

// alertWriterEnv makes the test binary a writer of alerting that is going to be
// killed.
const alertWriterEnv = "BOLTSTORE_TEST_ALERTS"

// alertUntilKilled prints the number of each ledger and record that is stored.
func alertUntilKilled(path string) {
	s, err := Open(Options{Path: path})
	l, _ := s.Ledger(context.Background(), "acme")
	for err == nil {
		l = store.Ledger{API: "acme", Term: 1, Version: l.Version + 1, Data: json.RawMessage(fmt.Sprintf(`"%d %s"`, l.Version+1, strings.Repeat("x", 5000)))}
		err = errors.Join(s.PutLedger(context.Background(), l), s.PutRecord(context.Background(), incident(int(l.Version), 1)))
		fmt.Println(l.Version)
	}
	fmt.Println(err)
	os.Exit(1)
}

// incident returns a record with a number.
func incident(n int, version int64) store.Record {
	return store.Record{
		Kind: store.RecordIncident, API: "acme", ID: fmt.Sprintf("i%06d", n), At: time.UnixMilli(int64(n) * 1000).UTC(), Version: version,
		Data: json.RawMessage(fmt.Sprintf(`{"n":%d,"v":%d}`, n, version)),
	}
}

// incidents returns the numbers of the records that are found.
func incidents(s *Store, api string) (ids []string) {
	GinkgoHelper()
	all, err := s.FindRecords(context.Background(), store.RecordQuery{Kind: store.RecordIncident, API: api, Limit: 100_000})
	Expect(err).NotTo(HaveOccurred())
	for _, r := range all {
		ids = append(ids, r.ID)
	}
	return ids
}

var _ = Describe("what is kept for alerting", func() {
	ctx := context.Background()

	It("is there after the process was killed in mid-write, if it was said to be", func() {
		path := temporary()
		for range 3 {
			cmd := exec.Command(os.Args[0], "-test.run=TestBoltstore")
			cmd.Env = append(os.Environ(), alertWriterEnv+"="+path)
			out, err := cmd.StdoutPipe()
			Expect(err).NotTo(HaveOccurred())
			Expect(cmd.Start()).To(Succeed())
			first, last := 0, 0
			for lines := bufio.NewScanner(out); lines.Scan(); {
				last, err = strconv.Atoi(lines.Text())
				Expect(err).NotTo(HaveOccurred(), lines.Text())
				if first == 0 {
					first = last
				}
				if last-first == 30 {
					Expect(cmd.Process.Kill()).To(Succeed())
				}
			}
			_ = cmd.Wait()
			s, err := Open(Options{Path: path})
			Expect(err).NotTo(HaveOccurred())
			l, err := s.Ledger(ctx, "acme")
			Expect(err).NotTo(HaveOccurred())
			Expect(l.Version).To(BeNumerically(">=", last))
			Expect(string(l.Data)).To(HavePrefix(fmt.Sprintf(`"%d x`, l.Version)), "the data of this very version")
			Expect(len(incidents(s, "acme"))).To(BeNumerically(">=", last))
			Expect(incidents(s, "")).To(Equal(incidents(s, "acme")))
			Expect(s.Close()).To(Succeed())
			Expect(Check(path)).To(HaveField("Problems", BeEmpty()))
		}
	})

	It("begins empty in a file of an older program, which the check finds whole", func() {
		path := temporary()
		s := open(Options{Path: path})
		Expect(s.db.Update(func(tx *bolt.Tx) error {
			return errors.Join(tx.DeleteBucket(bucketLedgers()), tx.DeleteBucket(bucketRecords()), tx.DeleteBucket(bucketRecordIndex()))
		})).To(Succeed())
		Expect(s.Close()).To(Succeed())
		Expect(Check(path)).To(Equal(Findings{}))
		s = open(Options{Path: path})
		Expect(s.PutLedger(ctx, store.Ledger{API: "acme", Version: 1, Data: json.RawMessage(`{}`)})).To(Succeed())
		Expect(incidents(s, "")).To(BeEmpty())
	})

	Context("and is damaged", func() {
		var (
			path string
			s    *Store
			logs *logtest.Hook
		)
		BeforeEach(func() {
			path = temporary()
			log, hook := logtest.NewNullLogger()
			logs = hook
			s = open(Options{Path: path, Logger: log})
			for version := range int64(3) {
				Expect(s.PutLedger(ctx, store.Ledger{API: "acme", Term: 4, Version: version + 1, Data: json.RawMessage(`"ledger"`)})).To(Succeed())
			}
			for n := range 3 {
				Expect(s.PutRecord(ctx, incident(n, 1))).To(Succeed())
			}
		})
		// spoil changes the last byte of a value.
		spoil := func(bucket, key []byte) {
			GinkgoHelper()
			Expect(s.db.Update(func(tx *bolt.Tx) error {
				value := append([]byte(nil), tx.Bucket(bucket).Get(key)...)
				value[len(value)-1] ^= 1
				return tx.Bucket(bucket).Put(key, value)
			})).To(Succeed())
		}

		It("is left out of answers, found by the check, said once, and replaced", func() {
			spoil(bucketLedgers(), []byte("acme"))
			spoil(bucketRecords(), noteKey(store.RecordIncident, "acme", "i000001"))
			for range 3 {
				_, err := s.Ledger(ctx, "acme")
				Expect(err).To(MatchError(store.ErrNotFound))
				Expect(incidents(s, "acme")).To(Equal([]string{"i000002", "i000000"}))
			}
			Expect(logs.AllEntries()).To(HaveLen(1))
			Expect(s.Close()).To(Succeed())
			found, err := Check(path)
			Expect(err).NotTo(HaveOccurred())
			Expect(found.Problems).To(HaveExactElements(ContainSubstring("alert_ledgers"), ContainSubstring("alert_records")))
			Expect(found.Records).To(Equal(2))

			s = open(Options{Path: path})
			Expect(s.PutLedger(ctx, store.Ledger{API: "acme", Term: 1, Version: 4, Data: json.RawMessage(`{}`)})).To(MatchError(store.ErrConflict))
			Expect(s.PutLedger(ctx, store.Ledger{API: "acme", Term: 1, Version: 1, Data: json.RawMessage(`{}`)})).To(Succeed())
			Expect(s.PutRecord(ctx, incident(1, 1))).To(Succeed())
			Expect(incidents(s, "")).To(Equal([]string{"i000002", "i000001", "i000000"}))
			Expect(s.Close()).To(Succeed())
			Expect(Check(path)).To(Equal(Findings{Ledgers: 1, Records: 3}))
		})

		It("is deleted with the others when it is old", func() {
			spoil(bucketRecords(), noteKey(store.RecordIncident, "acme", "i000001"))
			Expect(s.DeleteRecords(ctx, store.RecordIncident, incident(2, 1).At, 10)).To(Equal(2))
			Expect(s.Close()).To(Succeed())
			Expect(Check(path)).To(Equal(Findings{Ledgers: 1, Records: 1}))
		})

		It("is found by the check where the index and the records do not agree", func() {
			Expect(s.db.Update(func(tx *bolt.Tx) error {
				keys := indexKeys(store.RecordIncident, "acme", "i000001", incident(1, 1).At.UnixMilli())
				return errors.Join(tx.Bucket(bucketRecordIndex()).Delete(keys[0]),
					tx.Bucket(bucketRecords()).Delete(noteKey(store.RecordIncident, "acme", "i000002")),
					tx.Bucket(bucketRecordIndex()).Put([]byte("nonsense"), nil))
			})).To(Succeed())
			Expect(incidents(s, "")).To(Equal([]string{"i000001", "i000000"}))
			Expect(incidents(s, "acme")).To(Equal([]string{"i000000"}))
			Expect(s.Close()).To(Succeed())
			found, err := Check(path)
			Expect(err).NotTo(HaveOccurred())
			Expect(found.Problems).To(ConsistOf(
				And(ContainSubstring("i000001"), ContainSubstring("not in its index")),
				And(ContainSubstring("i000002"), ContainSubstring("leads to no record")), And(ContainSubstring("i000002"), ContainSubstring("leads to no record")),
				ContainSubstring("nonsense"),
			))
			s = open(Options{Path: path})
		})
	})
})
