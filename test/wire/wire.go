// Package wire starts a MongoDB-wire server for a test: the one that
// MONGODB_TEST_URI names, a mongod on the PATH as a replica set of one, or
// SecantusDB, which make deps installs. It knows nothing of the project.
package wire

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"syscall"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/devops-insights/devops-insights/test/ports"
)

// TB is what the package needs of a test.
type TB interface {
	Helper()
	Cleanup(func())
	TempDir() string
	Skip(args ...any)
	Fatalf(format string, args ...any)
}

// Server is a running server.
type Server struct {
	// Name says which server it is.
	Name string

	tb      TB
	uri     string
	port    string
	program string
	args    []string
	process *exec.Cmd // nil for MONGODB_TEST_URI
}

// Start starts the first server of the ladder that there is. With args it is
// SecantusDB with these flags, for what only that one offers: fail points
// (--enable-test-commands) and a life without replica set (--standalone). The
// test is skipped where there is none.
func Start(tb TB, args ...string) *Server {
	tb.Helper()
	if uri := os.Getenv("MONGODB_TEST_URI"); uri != "" && len(args) == 0 {
		return &Server{Name: "MONGODB_TEST_URI", tb: tb, uri: uri}
	}
	if program, err := exec.LookPath("mongod"); err == nil && len(args) == 0 {
		s := &Server{Name: "mongod", tb: tb, program: program, port: freePort(tb)}
		s.args = []string{"--bind_ip", "127.0.0.1", "--port", s.port, "--dbpath", tb.TempDir(), "--replSet", "test", "--quiet"}
		s.launch()
		s.initiate()
		return s
	}
	_, here, _, _ := runtime.Caller(0)
	program := filepath.Join(filepath.Dir(here), "../py/.venv/bin/secantusd-py")
	if _, err := os.Stat(program); err != nil {
		tb.Skip("there is no MongoDB-wire server: set MONGODB_TEST_URI, install mongod, or see what make deps says about SecantusDB")
	}
	s := &Server{Name: "SecantusDB", tb: tb, program: program, port: freePort(tb)}
	s.args = append([]string{"--host", "127.0.0.1", "--port", s.port, "--storage-path", tb.TempDir(), "--log-level", "ERROR", "--sync-on-commit"}, args...)
	s.launch()
	return s
}

// FerretDB starts a server without change streams and TTL indexes, which
// make deps builds. The test is skipped where it could not.
func FerretDB(tb TB) *Server {
	tb.Helper()
	_, here, _, _ := runtime.Caller(0)
	program := filepath.Join(filepath.Dir(here), "../../bin/ferretdb")
	if _, err := os.Stat(program); err != nil {
		tb.Skip("FerretDB was not built: see what make deps says about it")
	}
	s := &Server{Name: "FerretDB", tb: tb, program: program, port: freePort(tb)}
	s.args = []string{"--port", s.port, "--dir", tb.TempDir()}
	s.launch()
	return s
}

// Database returns the URI of a database of that name.
func (s *Server) Database(name string) string {
	s.tb.Helper()
	if s.uri == "" {
		return "mongodb://127.0.0.1:" + s.port + "/" + name + "?directConnection=true"
	}
	u, err := url.Parse(s.uri)
	if err != nil {
		s.tb.Fatalf("MONGODB_TEST_URI cannot be read: %v", err)
	}
	u.Path = fmt.Sprintf("/%s_%d", name, os.Getpid())
	return u.String()
}

// Kill ends the server with SIGKILL.
func (s *Server) Kill() {
	s.tb.Helper()
	if s.process == nil {
		s.tb.Skip("the server of MONGODB_TEST_URI is not ours to kill")
	}
	_ = s.process.Process.Kill()
	_ = s.process.Wait() // it was told to
}

// Pause lets the server do nothing, with its connections open, until Resume.
func (s *Server) Pause() { s.signal(syscall.SIGSTOP) }

// Resume ends a Pause.
func (s *Server) Resume() { s.signal(syscall.SIGCONT) }

func (s *Server) signal(to syscall.Signal) {
	s.tb.Helper()
	if s.process == nil {
		s.tb.Skip("the server of MONGODB_TEST_URI is not ours to stop")
	}
	if err := s.process.Process.Signal(to); err != nil {
		s.tb.Fatalf("%s cannot be paused or resumed: %v", s.Name, err)
	}
}

// Restart starts a killed server on the same data, without the given flags.
func (s *Server) Restart(without ...string) {
	s.tb.Helper()
	s.args = slices.DeleteFunc(s.args, func(arg string) bool { return slices.Contains(without, arg) })
	s.run()
}

func freePort(tb TB) string {
	tb.Helper()
	port, err := ports.Free(1)
	if err != nil {
		tb.Fatalf("%v", err)
	}
	return strconv.Itoa(port)
}

// launch starts the server; it ends with the test.
func (s *Server) launch() {
	s.tb.Helper()
	s.tb.Cleanup(func() {
		_ = s.process.Process.Kill()
		_ = s.process.Wait() // a second time is no harm
	})
	s.run()
}

// run starts the process and waits for its port.
func (s *Server) run() {
	s.tb.Helper()
	s.process = exec.Command(s.program, s.args...)
	if err := s.process.Start(); err != nil {
		s.tb.Fatalf("%s does not start: %v", s.Name, err)
	}
	for deadline := time.Now().Add(60 * time.Second); ; {
		c, err := net.Dial("tcp", "127.0.0.1:"+s.port)
		if err == nil {
			_ = c.Close()
			return
		}
		if time.Now().After(deadline) {
			s.tb.Fatalf("%s does not listen: %v", s.Name, err)
		}
		time.Sleep(20 * time.Millisecond) // between two looks, within the deadline
	}
}

// initiate makes a mongod a replica set of one.
func (s *Server) initiate() {
	s.tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	client, err := mongo.Connect(options.Client().ApplyURI(s.Database("admin")))
	if err != nil {
		s.tb.Fatalf("mongod cannot be reached: %v", err)
	}
	defer func() { _ = client.Disconnect(ctx) }()
	admin := client.Database("admin")
	err = admin.RunCommand(ctx, bson.D{{Key: "replSetInitiate", Value: bson.D{
		{Key: "_id", Value: "test"},
		{Key: "members", Value: bson.A{bson.D{{Key: "_id", Value: 0}, {Key: "host", Value: "127.0.0.1:" + s.port}}}},
	}}}).Err()
	if err != nil {
		s.tb.Fatalf("mongod does not become a replica set: %v", err)
	}
	for ctx.Err() == nil {
		var hello struct {
			Primary bool `bson:"isWritablePrimary"`
		}
		if admin.RunCommand(ctx, bson.D{{Key: "hello", Value: 1}}).Decode(&hello) == nil && hello.Primary {
			return
		}
		time.Sleep(20 * time.Millisecond) // between two looks, within the deadline
	}
	s.tb.Fatalf("mongod does not become primary")
}
