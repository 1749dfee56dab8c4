package network

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/devops-insights/devops-insights/poller"
	"github.com/devops-insights/devops-insights/store/discard"
)

// ClassFailing is the class, in the log and on the board, of a network that fails.
const ClassFailing = "NO_NETWORK"

// Options configures a Watch.
type Options struct {
	// Witnesses returns the places that can be asked, each host:port, at most
	// MaxWitnesses; they may be others later. Nil: there are none, and nothing is
	// unwatched.
	Witnesses func() []string
	// Guessed says that nobody has named the witnesses: they are asked only after
	// an upstream has answered that is not on this machine, and one that does not
	// answer is no news.
	Guessed bool
	// Dial opens a TCP connection, and heeds the context. Nil: a net.Dialer does.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Timeout bounds a check. Zero: 1.5 s, which has room for one lost packet.
	Timeout time.Duration
	// Logger is told when the network begins to fail and when it works again. Nil:
	// nobody is.
	Logger logrus.FieldLogger
	// Now is the clock; it should carry a monotonic reading, as the times of the
	// results do. Nil: time.Now.
	Now func() time.Time
}

func (o Options) withDefaults() Options {
	if o.Witnesses == nil {
		o.Witnesses = func() []string { return nil }
	}
	if o.Dial == nil {
		o.Dial = new(net.Dialer).DialContext
	}
	if o.Timeout <= 0 {
		o.Timeout = 1500 * time.Millisecond
	}
	if o.Logger == nil {
		o.Logger = discard.Logger()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

const (
	// learnEvery is the least time between two questions to all witnesses.
	learnEvery = time.Minute
	// lookEvery is how often witnesses are asked while the network fails.
	lookEvery = 5 * time.Second
)

// Status is how our own network is doing.
type Status struct {
	// Failing says that it fails, Since when, by the first poll that was unwatched.
	Failing bool
	Since   time.Time
	// Witnesses is the number of those that count now. Without any, Failing is
	// never true.
	Witnesses int
}

// Watch says whether our own network fails. One is for all APIs of a process. Its
// methods can be called from any goroutine.
type Watch struct {
	opts Options
	wake chan struct{} // the witnesses are to be asked

	mu        sync.Mutex
	witnesses map[string]*witness // by address: those that have answered
	mute      map[string]bool     // named witnesses of which was told that they do not answer
	learnt    time.Time           // when they were all asked last
	far, any  time.Time           // the last answer of an upstream that is far, and of any
	since     time.Time           // when the network began to fail; zero: it works
	sinceFar  bool                // an upstream that is far was the first to notice
	last      failure             // the last time that it failed, which is over
	check     check
}

// failure is a time during which the network failed.
type failure struct {
	since, until time.Time
	far          bool // an upstream that is far was the first to notice
}

// New returns a Watch. It gets to know its witnesses while Run runs.
func New(o Options) *Watch {
	return &Watch{opts: o.withDefaults(), wake: make(chan struct{}, 1), witnesses: make(map[string]*witness), mute: make(map[string]bool)}
}

// Judge takes the result of a poll, and reports whether nothing was learnt of the
// upstream because our own network fails. It may ask the witnesses, for little
// more than Options.Timeout, once for all polls that fail at the same time; the
// end of ctx cuts that short. Every result of every API has to come by here.
func (w *Watch) Judge(ctx context.Context, r poller.Result) (unwatched bool) {
	switch heard(r) {
	case answered:
		w.answer(r.Host)
		return false
	case unclear:
		return false
	}
	if !w.doubtful(r) {
		return w.beganInVain(r)
	}
	reachable, known := w.ask(ctx)
	if !w.doubtful(r) { // an upstream has answered meanwhile
		return w.beganInVain(r)
	}
	switch {
	case !known:
		return w.Failing()
	case reachable:
		w.end()
		return w.beganInVain(r)
	}
	w.begin(r)
	return true
}

// Failing reports whether our own network fails.
func (w *Watch) Failing() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.since.IsZero()
}

// Status returns how our own network is doing.
func (w *Watch) Status() Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	return Status{Failing: !w.since.IsZero(), Since: w.since, Witnesses: len(w.trusted())}
}

// Run gets to know the witnesses, and notices the end of a failure that no poll
// notices, until ctx ends. It returns nil.
func (w *Watch) Run(ctx context.Context) error {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-w.wake:
			w.learn(ctx)
		case <-look.C:
			if !w.Failing() {
				continue
			}
			if reachable, known := w.ask(ctx); known && reachable {
				w.end()
			}
		}
	}
}

// doubtful reports whether no upstream has answered since the poll began whose
// answer says anything of this one, and there are witnesses to ask.
func (w *Watch) doubtful(r poller.Result) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	last := w.far
	if near(r.Host) {
		last = w.any
	}
	return last.Before(r.Began) && len(w.trusted()) > 0
}

// beganInVain reports whether a poll that failed began while the network failed,
// which is over since.
func (w *Watch) beganInVain(r poller.Result) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.last.since.After(r.Began) && w.last.until.After(r.Began) && (!near(r.Host) || !w.last.far)
}

// answer notes that an upstream has answered.
func (w *Watch) answer(host string) {
	now := w.opts.Now()
	w.mu.Lock()
	w.any = now
	if !near(host) {
		w.far = now
	}
	over := !w.since.IsZero() && (!near(host) || !w.sinceFar)
	if (!w.opts.Guessed || !onMachine(host)) && (w.learnt.IsZero() || now.Sub(w.learnt) >= learnEvery) {
		w.learnt = now
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
	w.mu.Unlock()
	if over {
		w.end()
	}
}

// begin notes a poll that was unwatched.
func (w *Watch) begin(r poller.Result) {
	w.mu.Lock()
	first, asked := w.since.IsZero(), len(w.trusted())
	if first {
		w.since, w.sinceFar = r.Began, !near(r.Host)
	}
	w.mu.Unlock()
	if first {
		w.opts.Logger.WithFields(logrus.Fields{"err_class": ClassFailing, "witnesses": asked}).
			Warn("our own network fails: no upstream and no witness can be reached; until one is, polls that fail count as unwatched")
	}
}

// end notes that the network works.
func (w *Watch) end() {
	w.mu.Lock()
	now, since := w.opts.Now(), w.since
	if !since.IsZero() {
		w.last = failure{since, now, w.sinceFar}
		w.since = time.Time{}
	}
	w.mu.Unlock()
	if !since.IsZero() {
		w.opts.Logger.WithField("duration_ms", now.Sub(since).Milliseconds()).Info("our own network works again")
	}
}
