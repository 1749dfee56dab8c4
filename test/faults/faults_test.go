package faults

import (
	"context"
	"net/http"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/mongostore"
	"github.com/devops-insights/devops-insights/test/wire"
)

// long makes a line of the log about 1 KB.
var long = strings.Repeat("x", 1000)

// fault breaks something under a server, and mends it.
type fault struct {
	// server starts a program whose parts are all well.
	server func() *server
	begin  func()
	end    func() // nil: it does not end within a spec
	shows  []trouble
}

// name is that of the database.
const name = "faults"

// rowAhead stores a value as an instance does whose clock is an hour fast: the
// clock of this machine cannot be moved.
func rowAhead(uri string) {
	GinkgoHelper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	db, err := mongostore.Open(ctx, mongostore.Options{URL: uri})
	Expect(err).NotTo(HaveOccurred())
	defer func() { Expect(db.Close()).To(Succeed()) }()
	_, err = db.Save(ctx, store.Sample{API: "acme", Source: "sa-east", Data: []byte(`{"fast":true}`), At: time.Now().Add(time.Hour)})
	Expect(err).NotTo(HaveOccurred())
}

func noRowAhead(uri string) {
	GinkgoHelper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	client, err := mongo.Connect(options.Client().ApplyURI(uri))
	Expect(err).NotTo(HaveOccurred())
	defer func() { Expect(client.Disconnect(ctx)).To(Succeed()) }()
	rows := client.Database(name).Collection("metrics_history")
	_, err = rows.DeleteMany(ctx, bson.M{"createdAt": bson.M{"$gt": time.Now()}})
	Expect(err).NotTo(HaveOccurred())
}

// patience bounds what a spec does itself.
const patience = 20 * time.Second

// onMongo is a server over a database behind a proxy.
func onMongo(db **wire.Server, proxy **wire.Proxy) *server {
	GinkgoHelper()
	*db = wire.Start(GinkgoTB())
	uri := (*db).Database(name)
	*proxy = (*db).Through(GinkgoTB())
	return command("DATABASE_URL=" + (*proxy).URI(uri)).start()
}

var _ = DescribeTable("health is right about a part that fails, in every place, and right again when it is well",
	func(make func() fault) {
		f := make()
		s := f.server()
		for _, t := range f.shows {
			s.says(t.part, "ok", "")
		}
		f.begin()
		for _, t := range f.shows {
			s.shows(t)
		}
		if f.end == nil {
			return
		}
		f.end()
		for _, t := range f.shows {
			s.shownWell(t)
		}
	},

	Entry("a database that is killed", func() fault {
		var db *wire.Server
		var proxy *wire.Proxy
		return fault{
			server: func() *server { return onMongo(&db, &proxy) },
			begin:  func() { db.Kill() }, end: func() { db.Restart() },
			shows: []trouble{{"store_read", "down", "REFUSED|RESET|TIMEOUT"}, {"store_write", "down", "REFUSED|RESET|TIMEOUT"}},
		}
	}),
	Entry("a database that is stopped", func() fault {
		var db *wire.Server
		var proxy *wire.Proxy
		return fault{
			server: func() *server { return onMongo(&db, &proxy) },
			begin:  func() { db.Pause() }, end: func() { db.Resume() },
			shows: []trouble{{"store_read", "down", "TIMEOUT"}, {"store_write", "down", "TIMEOUT"}},
		}
	}),
	Entry("a database that answers after two seconds", func() fault {
		var db *wire.Server
		var proxy *wire.Proxy
		return fault{
			server: func() *server { return onMongo(&db, &proxy) },
			begin:  func() { proxy.DelayAnswers(2 * time.Second) }, end: func() { proxy.DelayAnswers(0) },
			shows: []trouble{{"store_read", "degraded", "SLOW"}},
		}
	}),
	Entry("a change stream that is mute", func() fault {
		var db *wire.Server
		var proxy *wire.Proxy
		return fault{
			server: func() *server { return onMongo(&db, &proxy) },
			begin:  func() { proxy.MuteStream() }, end: func() { proxy.Heal() },
			shows: []trouble{{"change_stream", "down", "MUTE|TIMEOUT|CLOSED"}},
		}
	}),
	Entry("a Redis that is stopped", func() fault {
		redis := wire.StartRedis(GinkgoTB())
		return fault{
			server: func() *server { return command("REDIS_HOST=" + redis.URL()).start() },
			begin:  redis.Pause, end: redis.Resume,
			shows: []trouble{{"redis", "down", "TIMEOUT"}},
		}
	}),
	Entry("a Redis that is killed", func() fault {
		redis := wire.StartRedis(GinkgoTB())
		return fault{
			server: func() *server { return command("REDIS_HOST=" + redis.URL()).start() },
			begin:  redis.Kill, end: redis.Start,
			shows: []trouble{{"redis", "down", "REFUSED|RESET"}},
		}
	}),
	Entry("an upstream that fails in one region", func() fault {
		s := command()
		return fault{
			server: func() *server { return s.start() },
			begin:  func() { s.upstream.Fail("eu-west", http.StatusInternalServerError) }, end: func() { s.upstream.Set("eu-west", "{}") },
			shows: []trouble{{"upstream:eu-west", "down", "HTTP_500"}},
		}
	}),
	Entry("a clock that rows of another instance are ahead of", func() fault {
		var db *wire.Server
		var proxy *wire.Proxy
		return fault{
			server: func() *server { return onMongo(&db, &proxy) },
			begin:  func() { rowAhead(db.Database(name)) }, end: func() { noRowAhead(db.Database(name)) },
			shows: []trouble{{"clock", "degraded", "AHEAD"}},
		}
	}),
	Entry("a log that nobody reads", func() fault {
		s := command("LOG_LEVEL=debug")
		return fault{
			server: func() *server { return s.start() },
			begin: func() {
				s.log.stop()
				for range 200 { // twice what a pipe takes
					_, _ = ask(s.url + "/a-long-path-that-is-logged-with-each-request-" + long)
				}
			},
			end:   s.log.resume,
			shows: []trouble{{"log", "degraded", "STUCK|LOST"}},
		}
	}),
)

var _ = It("every part is well where nothing fails, and no place says otherwise", func() {
	s := command().start()
	for _, part := range []string{"store_read", "store_write", "clock", "log", "memory", "disk", "upstream:us-east", "upstream:ap-southeast"} {
		s.says(part, "ok", "")
	}
	status, overall := s.overall()
	Expect([]string{status, overall}).To(Equal([]string{"ok", "ok"}))
})
