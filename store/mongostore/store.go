package mongostore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/connstring"

	"github.com/devops-insights/devops-insights/store"
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
	// Silence is how long the change stream may say nothing about a write that
	// the database already shows, before it is opened anew. Zero: 30 s.
	Silence time.Duration
	// Retry is how often a deployment without change streams is asked again
	// whether it has them now. Zero: 30 s.
	Retry time.Duration
	// Sweep is how often old history is deleted where the database does not do
	// it. Zero: 10 minutes.
	Sweep time.Duration
	// Logger is told of connections, indexes and the change stream. Nil:
	// nothing is logged.
	Logger logrus.FieldLogger
}

// Collections and fields are those of the Node backend.
const (
	latestName  = "metrics_latest"
	historyName = "metrics_history"
	week        = 7 * 24 * time.Hour
)

// Store is a store.Store over MongoDB.
type Store struct {
	opts         Options
	client       *mongo.Client
	latest       *mongo.Collection
	history      *mongo.Collection
	transactions bool
	sweeps       bool // the database does not delete old history
	stop         chan struct{}
	stopOnce     sync.Once
	closeErr     error
	own          ownChanges
	seen         seen
	work         sync.WaitGroup

	mu   sync.Mutex
	mode Mode
}

// Open connects, and makes the collections and indexes that are missing. An
// error says whether the server could not be reached or an index is in the
// way.
func Open(ctx context.Context, o Options) (*Store, error) {
	if o.Retention == 0 {
		o.Retention = week
	}
	for value, def := range map[*time.Duration]time.Duration{
		&o.ConnectTimeout: 10 * time.Second, &o.MaxAwait: time.Second, &o.Silence: 30 * time.Second,
		&o.Retry: 30 * time.Second, &o.Sweep: 10 * time.Minute,
	} {
		if *value <= 0 {
			*value = def
		}
	}
	if o.Logger == nil {
		silent := logrus.New()
		silent.SetLevel(logrus.PanicLevel)
		o.Logger = silent
	}
	where, err := connstring.ParseAndValidate(o.URL)
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
		stop: make(chan struct{}), mode: Mode{Following: "not yet"},
	}
	if err := s.prepare(ctx); err != nil {
		return nil, errors.Join(err, client.Disconnect(context.WithoutCancel(ctx)))
	}
	if s.sweeps {
		s.work.Go(s.sweep)
	}
	return s, nil
}

// redact keeps a connection string, and the password in it, out of messages.
func redact(text, url string) string { return strings.ReplaceAll(text, url, "…") }

func (s *Store) prepare(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 3*s.opts.ConnectTimeout)
	defer cancel()
	if err := s.client.Ping(ctx, readpref.Primary()); err != nil {
		return fmt.Errorf("the database does not answer within %s: %w", s.opts.ConnectTimeout, err)
	}
	var hello struct {
		SetName string `bson:"setName"`
		Msg     string `bson:"msg"`
	}
	if err := s.client.Database("admin").RunCommand(ctx, bson.D{{Key: "hello", Value: 1}}).Decode(&hello); err != nil {
		return fmt.Errorf("the database does not say what it is: %w", err)
	}
	s.transactions = hello.SetName != "" || hello.Msg == "isdbgrid"
	return s.indexes(ctx)
}

// Ping reports whether the database answers.
func (s *Store) Ping(ctx context.Context) error { return s.client.Ping(ctx, readpref.Primary()) }

// Close ends the watchers and disconnects.
func (s *Store) Close() error {
	s.stopOnce.Do(func() {
		close(s.stop)
		s.work.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		s.closeErr = s.client.Disconnect(ctx)
	})
	return s.closeErr
}

func (s *Store) closed() bool {
	select {
	case <-s.stop:
		return true
	default:
		return false
	}
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

var _ store.Store = (*Store)(nil)
