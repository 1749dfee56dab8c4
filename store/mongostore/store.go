package mongostore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/connstring"
	"golang.org/x/sync/semaphore"

	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/discard"
)

// Options configures a Store.
type Options struct {
	// URL is a mongodb:// or mongodb+srv:// connection string; its path names
	// the database, "test" where it names none, as mongoose has it. Required.
	URL string
	// Retention is the age at which history is deleted: the TTL of a new index.
	// Zero: 7 days.
	Retention time.Duration
	// ConnectTimeout bounds the search for a server, at the opening and for
	// each operation. Zero: 10 s.
	ConnectTimeout time.Duration
	// MaxAwait is how long the server may hold an empty answer of the change
	// stream. Zero: 1 s.
	MaxAwait time.Duration
	// Answer is how long an answer of the change stream may take beyond MaxAwait
	// before the stream is opened anew; three times as long as the last CheckRead
	// took, if that is more. Zero: 3 s, at most Silence.
	Answer time.Duration
	// Silence is how long the change stream may say nothing about a write that
	// the database already shows, before it is opened anew. Zero: 30 s.
	Silence time.Duration
	// Retry is how often a deployment without change streams is asked again
	// whether it has them now. Zero: 30 s.
	Retry time.Duration
	// SweepInterval is how often is looked for history that is too old, where the
	// database does not delete it, or too much. Zero: 10 minutes.
	SweepInterval time.Duration
	// Size is the number of bytes in rows from which the oldest are deleted. Zero:
	// no bound.
	Size int64
	// Tiers says how much is kept of each tier; everything of those that are
	// missing.
	Tiers map[store.Tier]Keep
	// Archive takes rows before they are deleted. Nil: nobody does.
	Archive Archive
	// Leads reports whether this instance has the lease: what only one may do, or
	// need do, it does then. It is called often. Nil: it always has it.
	Leads func() bool
	// Logger is told of connections, indexes and the change stream. Nil:
	// nothing is logged.
	Logger logrus.FieldLogger
}

func (o Options) withDefaults() Options {
	o.Retention = cmp.Or(o.Retention, week)
	o.ConnectTimeout = cmp.Or(max(o.ConnectTimeout, 0), 10*time.Second)
	o.MaxAwait = cmp.Or(max(o.MaxAwait, 0), time.Second)
	o.Silence = cmp.Or(max(o.Silence, 0), 30*time.Second)
	o.Answer = cmp.Or(max(o.Answer, 0), min(3*time.Second, o.Silence))
	o.Retry = cmp.Or(max(o.Retry, 0), 30*time.Second)
	o.SweepInterval = cmp.Or(max(o.SweepInterval, 0), 10*time.Minute)
	if o.Leads == nil {
		o.Leads = func() bool { return true }
	}
	if o.Logger == nil {
		o.Logger = discard.Logger()
	}
	return o
}

// Collections and fields are those of the Node backend.
const (
	latestName  = "metrics_latest"
	historyName = "metrics_history"
	week        = 7 * 24 * time.Hour
)

// Collections of our own, of which the Node backend knows nothing.
const (
	headsName    = "metrics_outcomes_latest"
	outcomesName = "metrics_outcomes"
	chunksName   = "metrics_rollup"
	marksName    = "metrics_rollup_marks"
	archivesName = "metrics_archive"
	ledgersName  = "metrics_alerts"
	recordsName  = "metrics_alert_records"
)

// Store is a store.Store, a store.Past and a store.Alerts over MongoDB.
type Store struct {
	opts         Options
	client       *mongo.Client
	latest       *mongo.Collection
	history      *mongo.Collection
	heads        *mongo.Collection // the newest interval of each region
	outcomes     *mongo.Collection // the intervals before it
	chunks       *mongo.Collection
	marks        *mongo.Collection
	archives     *mongo.Collection
	ledgers      *mongo.Collection
	records      *mongo.Collection
	transactions bool
	sweeps       bool          // the database does not delete old history
	expires      time.Duration // the age at which rows are deleted; 0: never
	archiving    archiving
	stopping     context.Context // ends with Close
	stop         context.CancelFunc
	stopOnce     sync.Once
	closeErr     error
	local        localFeed
	regions      regionStates
	rolledUp     rolledUp
	imports      imports
	unreadable   unreadable
	streaming    streaming
	took         atomic.Int64  // the nanoseconds of the last CheckRead
	deleted      atomic.Uint64 // rows, by the sweeper
	work         sync.WaitGroup

	mu       sync.Mutex
	mode     Mode
	watchers map[*watcher]struct{}
}

// Open connects, and makes the collections and indexes that are missing. An
// error says whether the server could not be reached or an index is in the
// way.
func Open(ctx context.Context, o Options) (*Store, error) {
	o = o.withDefaults()
	where, err := connstring.ParseAndValidate(o.URL)
	if dns := (*net.DNSError)(nil); errors.As(err, &dns) {
		return nil, Cause(err, o.URL)
	}
	if err != nil {
		return nil, fmt.Errorf("DATABASE_URL cannot be used: %s", redact(err.Error(), o.URL))
	}
	name := where.Database
	if name == "" {
		name = "test"
	}
	// No client-wide timeout: it would end an idle change stream.
	settings := options.Client().ApplyURI(o.URL).
		SetServerSelectionTimeout(o.ConnectTimeout).SetConnectTimeout(o.ConnectTimeout).SetAppName("devops-insights")
	if where.WString == "" && !where.WNumberSet && !where.JSet {
		// What a dashboard has seen must be there after a crash of the server.
		journal := true
		settings.SetWriteConcern(&writeconcern.WriteConcern{W: writeconcern.WCMajority, Journal: &journal})
	}
	client, err := mongo.Connect(settings)
	if err != nil {
		return nil, fmt.Errorf("DATABASE_URL cannot be used: %s", redact(err.Error(), o.URL))
	}
	db := client.Database(name)
	s := &Store{
		opts: o, client: client, latest: db.Collection(latestName), history: db.Collection(historyName),
		heads: db.Collection(headsName), outcomes: db.Collection(outcomesName),
		chunks: db.Collection(chunksName), marks: db.Collection(marksName), archives: db.Collection(archivesName),
		ledgers: db.Collection(ledgersName), records: db.Collection(recordsName),
		local: localFeed{gate: semaphore.NewWeighted(wholeGate)}, mode: Mode{Following: "not yet"},
		watchers: make(map[*watcher]struct{}),
	}
	s.stopping, s.stop = context.WithCancel(context.Background())
	if err := s.prepare(ctx); err != nil {
		return nil, errors.Join(err, client.Disconnect(context.WithoutCancel(ctx)))
	}
	s.work.Go(s.sweeper)
	return s, nil
}

// redact keeps a connection string, and the password in it, out of messages.
func redact(text, url string) string { return strings.ReplaceAll(text, url, "…") }

func (s *Store) prepare(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 3*s.opts.ConnectTimeout)
	defer cancel()
	if err := s.connect(ctx); err != nil {
		return err
	}
	var hello struct {
		SetName string `bson:"setName"`
		Msg     string `bson:"msg"`
	}
	if err := s.client.Database("admin").RunCommand(ctx, bson.D{{Key: "hello", Value: 1}}).Decode(&hello); err != nil {
		return fmt.Errorf("the database does not say what it is: %w", err)
	}
	s.transactions = hello.SetName != "" || hello.Msg == "isdbgrid"
	if err := s.indexes(ctx); err != nil {
		if command := (mongo.CommandError{}); errors.As(err, &command) && command.HasErrorCode(unauthorized) {
			return Cause(err, s.opts.URL)
		}
		return err
	}
	return nil
}

// Ping reports whether the database answers.
func (s *Store) Ping(ctx context.Context) error {
	return Cause(s.client.Ping(ctx, readpref.Primary()), s.opts.URL)
}

// Database is the database that the store uses.
func (s *Store) Database() *mongo.Database { return s.latest.Database() }

// Close ends the watchers and disconnects.
func (s *Store) Close() error {
	s.stopOnce.Do(func() {
		s.stop()
		s.work.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		s.closeErr = s.client.Disconnect(ctx)
	})
	return s.closeErr
}

func (s *Store) closed() bool {
	return s.stopping.Err() != nil
}

// failure gives an error of the driver the store's name for it.
func (s *Store) failure(what string, err error) error {
	if s.closed() {
		return store.ErrClosed
	}
	if refused(err) {
		return fmt.Errorf("%s: %w: %w", what, store.ErrRefused, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}

var (
	_ store.Store  = (*Store)(nil)
	_ store.Past   = (*Store)(nil)
	_ store.Alerts = (*Store)(nil)
)
