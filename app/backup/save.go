package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"

	"github.com/devops-insights/devops-insights/app/probe"
	"github.com/devops-insights/devops-insights/app/transfer"
	"github.com/devops-insights/devops-insights/store/boltstore"
)

// Options says what is copied, and where to.
type Options struct {
	// File is that of the embedded store, and Internal the address of the
	// internal listener of the server that may use it; empty: it has none.
	File, Internal string
	// Progress is told how many bytes were written. Nil: nobody is.
	Progress *transfer.Progress
	// Stall is how long a server may send nothing. Zero: 30 s.
	Stall time.Duration
}

// errNoAddress says why a server cannot be asked.
var errNoAddress = errors.New("a server uses the file, and INTERNAL_ADDR does not say where to ask it for a copy: set it, for example to 127.0.0.1:5001, for the server and for this command, or stop the server")

// Copy writes a consistent copy: of the file, where no server uses it, else the
// server is asked.
func Copy(ctx context.Context, o Options, w io.Writer) error {
	w = &counter{w: w, progress: o.Progress}
	err := copyOfFile(ctx, o.File, w)
	if !errors.Is(err, boltstore.ErrLocked) {
		return err
	}
	if _, port, e := net.SplitHostPort(o.Internal); e != nil || port == "0" {
		return errNoAddress
	}
	if o.Stall <= 0 {
		o.Stall = 30 * time.Second
	}
	return fetch(ctx, o, w)
}

// copyOfFile copies a file that no server uses.
func copyOfFile(ctx context.Context, path string, w io.Writer) (err error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is nothing to copy: %s does not exist; DATA_DIR says where the embedded store is", path)
	case err != nil:
		return err
	case !info.Mode().IsRegular() || info.Size() == 0:
		return fmt.Errorf("%s is no file of an embedded store", path)
	}
	db, err := boltstore.Open(boltstore.Options{Path: path, Retention: -1, LockTimeout: 100 * time.Millisecond})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return db.Backup(ctx, w)
}

// fetch asks a server.
func fetch(ctx context.Context, o Options, w io.Writer) (err error) {
	for _, addr := range probe.Addresses(o.Internal) {
		if err = fetchFrom(ctx, addr, o.Stall, w); !errors.Is(err, syscall.ECONNREFUSED) {
			return err
		}
	}
	return fmt.Errorf("a server uses the file, but none answers at INTERNAL_ADDR=%s: that of the server and that of this command must be the same", o.Internal)
}

func fetchFrom(ctx context.Context, addr string, stall time.Duration, w io.Writer) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	slow := time.AfterFunc(stall, func() { cancel(fmt.Errorf("the server at %s sent nothing for %s", addr, stall)) })
	defer slow.Stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+Path, http.NoBody)
	if err != nil {
		return err
	}
	client := http.Client{
		// No proxy of the environment, and no compression: it is the same machine.
		Transport:     &http.Transport{Proxy: nil, DisableKeepAlives: true, DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Do(req)
	if err != nil {
		return whyNot(ctx, err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != contentType {
		return refusal(addr, resp)
	}
	_, err = io.Copy(writerOnly{w}, &patient{resp.Body, func() { slow.Reset(stall) }})
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the server ended the copy before it was complete; its log says why")
	}
	return whyNot(ctx, err)
}

// whyNot prefers the cause for which a context ended.
func whyNot(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return cause
	}
	return err
}

// refusal is the sentence of a server that sends no copy.
func refusal(addr string, resp *http.Response) error {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	var answer struct{ Error string }
	if json.Unmarshal(body, &answer) != nil || answer.Error == "" || len(answer.Error) > 300 {
		return fmt.Errorf("what answers on %s is no server that makes backups (status %d)", addr, resp.StatusCode)
	}
	return fmt.Errorf("the server at %s makes no backup: %s", addr, answer.Error)
}

// patient tells of every read.
type patient struct {
	io.Reader
	told func()
}

func (p *patient) Read(b []byte) (int, error) {
	n, err := p.Reader.Read(b)
	p.told()
	return n, err
}

// writerOnly hides the other methods of a writer.
type writerOnly struct{ io.Writer }

// counter tells the progress.
type counter struct {
	w        io.Writer
	n        int64
	progress *transfer.Progress
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	if c.progress != nil {
		c.progress.Set(0, 0, 0, c.n, time.Time{})
	}
	return n, err
}
