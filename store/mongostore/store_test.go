package mongostore

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/storetest"
)

// rung is a server of the test ladder.
type rung struct {
	name string
	uri  string
}

// wire returns the MongoDB-wire server the suites run on: MONGODB_TEST_URI, a
// mongod on the PATH, else SecantusDB out of test/py.
func wire(args ...string) rung {
	GinkgoHelper()
	if uri := os.Getenv("MONGODB_TEST_URI"); uri != "" && len(args) == 0 {
		return rung{"MONGODB_TEST_URI", uri}
	}
	if program, err := exec.LookPath("mongod"); err == nil && len(args) == 0 {
		return mongod(program)
	}
	program, err := filepath.Abs("../../test/py/.venv/bin/secantusd-py")
	Expect(err).NotTo(HaveOccurred())
	if _, err := os.Stat(program); err != nil {
		Skip("there is no MongoDB-wire server: set MONGODB_TEST_URI, install mongod, or see what make deps says about SecantusDB")
	}
	port := freePort()
	launch(port, program, append([]string{"--host", "127.0.0.1", "--port", port, "--storage-path", GinkgoT().TempDir(), "--log-level", "ERROR"}, args...)...)
	return rung{"SecantusDB", "mongodb://127.0.0.1:" + port + "/?directConnection=true"}
}

func freePort() string {
	GinkgoHelper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	Expect(err).NotTo(HaveOccurred())
	defer func() { _ = l.Close() }()
	return fmt.Sprint(l.Addr().(*net.TCPAddr).Port)
}

// launch starts a server and waits for its port; it ends with the spec.
func launch(port, program string, args ...string) *exec.Cmd {
	GinkgoHelper()
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = GinkgoWriter, GinkgoWriter
	Expect(cmd.Start()).To(Succeed())
	DeferCleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	Eventually(func() error {
		c, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			_ = c.Close()
		}
		return err
	}, "30s", "50ms").Should(Succeed())
	return cmd
}

// mongod starts a replica set of one.
func mongod(program string) rung {
	GinkgoHelper()
	port := freePort()
	launch(port, program, "--bind_ip", "127.0.0.1", "--port", port, "--dbpath", GinkgoT().TempDir(), "--replSet", "test", "--quiet")
	uri := "mongodb://127.0.0.1:" + port + "/?directConnection=true"
	client, err := mongo.Connect(options.Client().ApplyURI(uri))
	Expect(err).NotTo(HaveOccurred())
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	admin := client.Database("admin")
	Expect(admin.RunCommand(ctx, bson.D{{Key: "replSetInitiate", Value: bson.D{
		{Key: "_id", Value: "test"},
		{Key: "members", Value: bson.A{bson.D{{Key: "_id", Value: 0}, {Key: "host", Value: "127.0.0.1:" + port}}}},
	}}}).Err()).To(Succeed())
	Eventually(func() bool {
		var hello struct {
			Primary bool `bson:"isWritablePrimary"`
		}
		return admin.RunCommand(ctx, bson.D{{Key: "hello", Value: 1}}).Decode(&hello) == nil && hello.Primary
	}, "30s", "50ms").Should(BeTrue())
	Expect(client.Disconnect(ctx)).To(Succeed())
	return rung{"mongod", uri}
}

// database names one of its own in the URI, so that specs do not meet.
func (r rung) database(name string) string {
	u, err := url.Parse(r.uri)
	Expect(err).NotTo(HaveOccurred())
	u.Path = "/" + name
	return u.String()
}

func open(uri string, change ...func(*Options)) *Store {
	GinkgoHelper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	o := Options{URL: uri, MaxAwait: 100 * time.Millisecond}
	for _, f := range change {
		f(&o)
	}
	s, err := Open(ctx, o)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(s.Close)
	return s
}

var _ = Describe("MongoDB", Ordered, ContinueOnFailure, func() {
	var server rung
	count := 0
	BeforeAll(func() {
		server = wire()
		AddReportEntry("server", server.name)
	})
	storetest.Specs("MongoDB", func() storetest.Factory {
		count++
		uri := server.database(fmt.Sprintf("store_%d_%d", os.Getpid(), count))
		return func() store.Store { return open(uri) }
	})
})

// plainIndex is an index over api and source that is not unique.
func plainIndex() mongo.IndexModel {
	return mongo.IndexModel{Keys: bson.D{{Key: "api", Value: 1}, {Key: "source", Value: 1}}}
}
