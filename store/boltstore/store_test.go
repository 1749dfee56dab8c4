package boltstore

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"go.uber.org/goleak"

	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/archive"
	"github.com/devops-insights/devops-insights/store/storetest"
)

// writerEnv makes the test binary a writer that is going to be killed.
const writerEnv = "BOLTSTORE_TEST_WRITER"

// archiveEnv is the folder to which the writer that is going to be killed
// archives.
const archiveEnv = "BOLTSTORE_TEST_ARCHIVE"

// archiving returns options with which rows leave the file at once.
func archiving(path, dir string) Options {
	return Options{Path: path, Retention: -1, Size: 1, SweepInterval: time.Millisecond, Archive: archive.New(archive.Options{Dir: dir})}
}

func TestBoltstore(t *testing.T) {
	if path := os.Getenv(writerEnv); path != "" {
		writeUntilKilled(path)
		return
	}
	if path := os.Getenv(alertWriterEnv); path != "" {
		alertUntilKilled(path)
	}
	RegisterFailHandler(Fail)
	RunSpecs(t, "Boltstore")
	// Ginkgo keeps one goroutine for interrupts.
	goleak.VerifyNone(t, goleak.IgnoreAnyFunction("github.com/onsi/ginkgo/v2/internal/interrupt_handler.(*InterruptHandler).registerForInterrupts.func2"))
}

// writeUntilKilled prints each number that Save has acknowledged.
func writeUntilKilled(path string) {
	o := Options{Path: path}
	if dir := os.Getenv(archiveEnv); dir != "" {
		o = archiving(path, dir)
	}
	s, err := Open(o)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	for n := 0; ; n++ {
		_, err := s.Save(context.Background(), store.Sample{
			API: "acme", Source: "us-east", At: time.Now(),
			Data: json.RawMessage(fmt.Sprintf(`{"n":%d,"run":%d,"pad":%q}`, n, os.Getpid(), strings.Repeat("x", 2000))),
		})
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(n)
	}
}

func temporary() string { return filepath.Join(GinkgoT().TempDir(), "test.db") }

func open(o Options) *Store {
	GinkgoHelper()
	s, err := Open(o)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(s.Close)
	return s
}

var _ = storetest.Specs("boltstore", func() storetest.Factory {
	path := temporary()
	return func() store.Store { return open(Options{Path: path, Retention: -1}) }
})

var _ = storetest.PagingSpecs("boltstore", func() storetest.Factory {
	path := temporary()
	return func() store.Store { return open(Options{Path: path, Retention: -1}) }
})

var _ = storetest.PastSpecs("boltstore", func() storetest.PastFactory {
	path := temporary()
	return func() storetest.Past { return open(Options{Path: path, Retention: -1}) }
})

var _ = Describe("the rows", func() {
	It("are the very bytes, and those of one millisecond come latest stored first", func(ctx SpecContext) {
		s := open(Options{Path: temporary(), Retention: -1})
		now := time.Now()
		for _, source := range []string{"eu-west", "us-east"} {
			for _, data := range []string{`{"z":1.0,"big":12345678901234567890}`, `1e2`} {
				Expect(s.Save(ctx, store.Sample{API: "acme", Source: source, Data: json.RawMessage(data), At: now})).To(BeTrue())
			}
		}
		rows, err := store.History(ctx, s, store.Query{API: "acme", Limit: 10})
		Expect(err).NotTo(HaveOccurred())
		var got []string
		for _, m := range rows {
			got = append(got, m.Source+" "+string(m.Data))
		}
		Expect(got).To(Equal([]string{
			"us-east 1e2", `us-east {"z":1.0,"big":12345678901234567890}`,
			"eu-west 1e2", `eu-west {"z":1.0,"big":12345678901234567890}`,
		}))
	})
})

var _ = Describe("the file", func() {
	It("is not written for a value that it holds", func(ctx SpecContext) {
		path := temporary()
		s := open(Options{Path: path, Retention: -1})
		sample := store.Sample{API: "acme", Source: "us-east", Data: json.RawMessage(`1`), At: time.Now()}
		Expect(s.Save(ctx, sample)).To(BeTrue())
		writes := func() int64 {
			stats := s.db.Stats()
			return stats.TxStats.GetWrite()
		}
		before := writes()
		for range 100 {
			Expect(s.Save(ctx, sample)).To(BeFalse())
		}
		Expect(writes()).To(Equal(before))
		Expect(s.Close()).To(Succeed())
		s = open(Options{Path: path, Retention: -1})
		before = writes()
		for range 3 { // the first one has to read the file
			Expect(s.Save(ctx, sample)).To(BeFalse())
		}
		Expect(writes()).To(Equal(before))
		sample.Data = json.RawMessage(`2`)
		Expect(s.Save(ctx, sample)).To(BeTrue())
		Expect(writes()).To(BeNumerically(">", before))
	})

	It("is refused to a second process, with a sentence", func() {
		path := temporary()
		open(Options{Path: path})
		_, err := Open(Options{Path: path, LockTimeout: 20 * time.Millisecond})
		Expect(err).To(MatchError(ErrLocked))
		Expect(err.Error()).To(And(ContainSubstring(path), ContainSubstring("DATA_DIR")))
	})

	It("loses nothing that was acknowledged when the process is killed in mid-write", func() {
		path := temporary()
		total := 0
		for range 3 {
			cmd := exec.Command(os.Args[0], "-test.run=TestBoltstore")
			cmd.Env = append(os.Environ(), writerEnv+"="+path)
			out, err := cmd.StdoutPipe()
			Expect(err).NotTo(HaveOccurred())
			Expect(cmd.Start()).To(Succeed())
			acknowledged := 0
			for lines := bufio.NewScanner(out); lines.Scan(); {
				_, err := strconv.Atoi(lines.Text())
				Expect(err).NotTo(HaveOccurred(), lines.Text())
				if acknowledged++; acknowledged == 100 {
					Expect(cmd.Process.Kill()).To(Succeed())
				}
			}
			_ = cmd.Wait()
			total += acknowledged
			s, err := Open(Options{Path: path})
			Expect(err).NotTo(HaveOccurred())
			rows, err := store.History(context.Background(), s, store.Query{API: "acme", Source: "us-east", Limit: 100_000})
			Expect(err).NotTo(HaveOccurred())
			Expect(len(rows)).To(BeNumerically(">=", total))
			total = len(rows) // one more may be durable whose acknowledgement was cut off
			latest, err := s.Latest(context.Background(), "acme", "us-east")
			Expect(err).NotTo(HaveOccurred())
			Expect(latest.Hash).To(Equal(rows[0].Hash))
			Expect(s.Close()).To(Succeed())
		}
	})

	It("deletes history that is older than the retention, and never the latest value", func() {
		now := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
		s := open(Options{Path: temporary(), Retention: time.Hour, SweepInterval: time.Hour, Now: func() time.Time { return now }})
		ctx := context.Background()
		for i := range 2500 {
			_, err := s.Save(ctx, store.Sample{API: "acme", Source: "us-east", Data: json.RawMessage(strconv.Itoa(i)), At: now.Add(time.Duration(i) * time.Second)})
			Expect(err).NotTo(HaveOccurred())
		}
		now = now.Add(2400*time.Second + time.Hour)
		Expect(s.sweep()).To(Succeed())
		for _, source := range []string{"", "us-east"} {
			rows, err := store.History(ctx, s, store.Query{API: "acme", Source: source, Limit: 5000})
			Expect(err).NotTo(HaveOccurred())
			Expect(rows).To(HaveLen(100))
		}
		now = now.Add(24 * time.Hour)
		Expect(s.sweep()).To(Succeed())
		Expect(store.History(ctx, s, store.Query{API: "acme", Limit: 1})).To(BeEmpty())
		m, err := s.Latest(ctx, "acme", "us-east")
		Expect(err).NotTo(HaveOccurred())
		Expect(string(m.Data)).To(Equal("2499"))
	})

	It("keeps its contents when it is compacted", func() {
		path := temporary()
		s := open(Options{Path: path})
		_, err := s.Save(context.Background(), store.Sample{API: "acme", Source: "us-east", Data: json.RawMessage(`1`), At: time.Now()})
		Expect(err).NotTo(HaveOccurred())
		Expect(s.Close()).To(Succeed())
		_, _, err = Compact(path)
		Expect(err).NotTo(HaveOccurred())
		s = open(Options{Path: path})
		Expect(s.AllLatest(context.Background(), "acme")).To(HaveLen(1))
	})
})
