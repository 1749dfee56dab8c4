package backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"

	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/boltstore"
)

func TestBackup(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Backup")
}

// source is a copy that a spec makes.
type source func(ctx context.Context, w io.Writer) error

func (s source) Backup(ctx context.Context, w io.Writer) error { return s(ctx, w) }

// opened is an embedded store with rows, in use; its file is locked.
func opened() (*boltstore.Store, string) {
	GinkgoHelper()
	path := filepath.Join(GinkgoT().TempDir(), boltstore.FileName)
	db, err := boltstore.Open(boltstore.Options{Path: path, Retention: -1})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(db.Close)
	for n := range 50 {
		Expect(db.Save(context.Background(), store.Sample{API: "acme", Source: "us-east", Data: fmt.Append(nil, n), At: time.Now()})).To(BeTrue())
	}
	return db, path
}

// serve answers as an internal listener does, and returns its address and log.
func serve(ctx context.Context, s Source) (string, *logtest.Hook) {
	GinkgoHelper()
	log, logs := logtest.NewNullLogger()
	server := httptest.NewServer(Handler(ctx, s, log))
	server.Config.ErrorLog = nil
	DeferCleanup(server.Close)
	return server.Listener.Addr().String(), logs
}

var _ = Describe("a copy of a store", func() {
	It("comes from its server while that uses the file, and from the file when none does", func(ctx SpecContext) {
		db, path := opened()
		addr, logs := serve(ctx, db)
		file := filepath.Join(GinkgoT().TempDir(), "copy")
		for range 2 {
			var b bytes.Buffer
			Expect(Copy(ctx, Options{File: path, Internal: addr}, &b)).To(Succeed())
			Expect(os.WriteFile(file, b.Bytes(), 0o600)).To(Succeed())
			Expect(Verify(file)).To(HaveField("Rows", 50))
			Expect(db.Close()).To(Succeed())
		}
		Expect(logs.AllEntries()).To(HaveLen(1))
		Expect(logs.LastEntry().Message).To(Equal("a backup was made"))
	})

	It("is not taken for whole when the server ends it, at whichever place", func(ctx SpecContext) {
		_, path := opened()
		for _, n := range []int{0, 1, 100_000} {
			addr, logs := serve(ctx, source(func(_ context.Context, w io.Writer) error {
				_, _ = w.Write(bytes.Repeat([]byte{1}, n))
				return errors.New("the disk fails")
			}))
			err := Copy(ctx, Options{File: path, Internal: addr}, io.Discard)
			Expect(err).To(HaveOccurred())
			Expect(err.Error()).NotTo(ContainSubstring("disk fails"), "that is for the log")
			Eventually(logs.LastEntry).Should(HaveField("Level", logrus.WarnLevel))
		}
	})

	It("is made one at a time", func(ctx SpecContext) {
		_, path := opened()
		begun, end := make(chan struct{}), make(chan struct{})
		addr, _ := serve(ctx, source(func(_ context.Context, w io.Writer) error {
			close(begun)
			<-end
			return nil
		}))
		first := make(chan error, 1)
		go func() { first <- Copy(ctx, Options{File: path, Internal: addr}, io.Discard) }()
		<-begun
		Expect(Copy(ctx, Options{File: path, Internal: addr}, io.Discard)).To(MatchError(ContainSubstring("another backup is being made")))
		close(end)
		Eventually(first, "10s").Should(Receive(BeNil()))
	})

	It("ends when its server stops, or the reader goes, or the server says nothing", func(ctx SpecContext) {
		_, path := opened()
		ended := make(chan error, 1)
		endless := source(func(ctx context.Context, w io.Writer) error {
			var err error
			for err == nil {
				if err = ctx.Err(); err == nil {
					_, err = w.Write(make([]byte, 64<<10))
				}
			}
			ended <- err
			return err
		})
		running, stop := context.WithCancel(ctx)
		addr, _ := serve(running, endless)
		began := &told{written: make(chan struct{})}
		copied := make(chan error, 1)
		go func() { copied <- Copy(ctx, Options{File: path, Internal: addr}, began) }()
		<-began.written
		stop()
		Eventually(ended, "10s").Should(Receive())
		Eventually(copied, "10s").Should(Receive(HaveOccurred()))

		addr, _ = serve(ctx, endless)
		during, cancel := context.WithCancel(ctx)
		began = &told{written: make(chan struct{})}
		go func() { copied <- Copy(during, Options{File: path, Internal: addr}, began) }()
		<-began.written
		cancel()
		Eventually(copied, "10s").Should(Receive(MatchError(context.Canceled)))
		Eventually(ended, "10s").Should(Receive())

		addr, _ = serve(ctx, source(func(ctx context.Context, _ io.Writer) error { <-ctx.Done(); return ctx.Err() }))
		Expect(Copy(ctx, Options{File: path, Internal: addr, Stall: 50 * time.Millisecond}, io.Discard)).To(MatchError(ContainSubstring("sent nothing for 50ms")))
	})

	It("is not given to pages, nor by other methods, nor by a server with a database", func(ctx SpecContext) {
		addr, _ := serve(ctx, nil)
		ask := func(method string, header ...string) (int, string) {
			GinkgoHelper()
			req, err := http.NewRequestWithContext(ctx, method, "http://"+addr+Path, http.NoBody)
			Expect(err).NotTo(HaveOccurred())
			for i := 0; i < len(header); i += 2 {
				req.Header.Set(header[i], header[i+1])
			}
			resp, err := http.DefaultClient.Do(req)
			Expect(err).NotTo(HaveOccurred())
			defer func() { _ = resp.Body.Close() }()
			body, err := io.ReadAll(resp.Body)
			Expect(err).NotTo(HaveOccurred())
			return resp.StatusCode, string(body)
		}
		for want, header := range map[int][]string{403: {"Origin", "http://" + addr}, 404: nil} {
			status, body := ask(http.MethodGet, header...)
			Expect(status).To(Equal(want))
			Expect(body).To(HavePrefix(`{"error":"`))
		}
		status, _ := ask(http.MethodGet, "Sec-Fetch-Site", "cross-site")
		Expect(status).To(Equal(403))
		status, _ = ask(http.MethodPost)
		Expect(status).To(Equal(405))
		_, path := opened()
		Expect(Copy(ctx, Options{File: path, Internal: addr}, io.Discard)).To(MatchError(ContainSubstring("mongodump")))
	})

	It("says what is in the way", func(ctx SpecContext) {
		_, path := opened()
		for _, internal := range []string{"", "127.0.0.1:0", "nonsense"} {
			Expect(Copy(ctx, Options{File: path, Internal: internal}, io.Discard)).To(MatchError(errNoAddress))
		}
		stranger := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("hello")) }))
		DeferCleanup(stranger.Close)
		Expect(Copy(ctx, Options{File: path, Internal: stranger.Listener.Addr().String()}, io.Discard)).To(MatchError(ContainSubstring("no server that makes backups (status 200)")))
		dir := GinkgoT().TempDir()
		Expect(Copy(ctx, Options{File: filepath.Join(dir, "nothing")}, io.Discard)).To(MatchError(ContainSubstring("there is nothing to copy")))
		empty := filepath.Join(dir, "empty")
		Expect(os.WriteFile(empty, nil, 0o600)).To(Succeed())
		for _, bad := range []string{dir, empty} {
			Expect(Copy(ctx, Options{File: bad}, io.Discard)).To(MatchError(ContainSubstring("is no file of an embedded store")))
		}
		text := filepath.Join(dir, "text")
		Expect(os.WriteFile(text, []byte(strings.Repeat("hello", 10_000)), 0o600)).To(Succeed())
		Expect(Copy(ctx, Options{File: text}, io.Discard)).To(MatchError(boltstore.ErrDamaged))
		_, err := Verify(text)
		Expect(err).To(MatchError(boltstore.ErrDamaged))
	})
})

// told tells of the first write.
type told struct {
	written chan struct{}
	once    bool
}

func (t *told) Write(b []byte) (int, error) {
	if !t.once {
		t.once = true
		close(t.written)
	}
	return len(b), nil
}

var _ = Describe("restoring", func() {
	It("puts the copy in place and keeps what was there, unless anything is wrong", func(ctx SpecContext) {
		db, path := opened()
		copied := filepath.Join(GinkgoT().TempDir(), "copy")
		var b bytes.Buffer
		Expect(db.Backup(ctx, &b)).To(Succeed())
		Expect(os.WriteFile(copied, b.Bytes(), 0o600)).To(Succeed())
		_, err := Restore(ctx, copied, path)
		Expect(err).To(MatchError(boltstore.ErrLocked))
		Expect(db.Close()).To(Succeed())
		_, err = Restore(ctx, path, path)
		Expect(err).To(MatchError(ContainSubstring("the very file")))
		_, err = Restore(ctx, filepath.Join(filepath.Dir(path), "nothing"), path)
		Expect(err).To(MatchError(os.ErrNotExist))
		over, cancel := context.WithCancel(ctx)
		cancel()
		_, err = Restore(over, copied, path)
		Expect(err).To(MatchError(context.Canceled))
		left, err := os.ReadDir(filepath.Dir(path))
		Expect(err).NotTo(HaveOccurred())
		Expect(left).To(HaveLen(1))
		r, err := Restore(ctx, copied, path)
		Expect(err).NotTo(HaveOccurred())
		Expect([]any{r.Rows, must(boltstore.Check(r.Old)).Rows}).To(Equal([]any{50, 50}))
	})
})

// must returns what a function returned without an error.
func must[T any](v T, err error) T {
	GinkgoHelper()
	Expect(err).NotTo(HaveOccurred())
	return v
}
