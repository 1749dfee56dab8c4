package errclass_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/redis/go-redis/v9"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/devops-insights/devops-insights/app/errclass"
	"github.com/devops-insights/devops-insights/poller"
	"github.com/devops-insights/devops-insights/store/boltstore"
)

func TestErrclass(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Classes of errors")
}

// reply is an error that Redis answers.
type reply string

func (r reply) Error() string { return string(r) }
func (reply) RedisError()     {}

var _ redis.Error = reply("")

var _ = DescribeTable("the class of an error", func(err error, class string) {
	Expect(errclass.Of(err)).To(Equal(class))
	if err != nil {
		Expect(errclass.Of(fmt.Errorf("around: %w", err))).To(Equal(class))
		Expect(errclass.Of(errors.Join(errors.New("beside"), err))).To(Equal(class))
	}
},
	Entry("none", nil, ""),
	Entry("one that nobody knows", errors.New("x"), errclass.Other),
	Entry("one that names itself", &poller.Error{Code: poller.CodeTimeout, Cause: syscall.ECONNREFUSED}, string(poller.CodeTimeout)),
	Entry("a full disk", &fs.PathError{Op: "write", Path: "/x", Err: syscall.ENOSPC}, errclass.DiskFull),
	Entry("no right", &fs.PathError{Op: "open", Path: "/x", Err: syscall.EACCES}, errclass.Permission),
	Entry("a file system that takes no writes", syscall.EROFS, errclass.ReadOnly),
	Entry("a damaged store", boltstore.ErrDamaged, errclass.Damaged),
	Entry("an end of the time", context.DeadlineExceeded, errclass.Timeout),
	Entry("an end of the time of a file", os.ErrDeadlineExceeded, errclass.Timeout),
	Entry("a caller that went away", context.Canceled, errclass.Canceled),
	Entry("a closed port", &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}, errclass.Refused),
	Entry("a connection that broke off", io.ErrUnexpectedEOF, errclass.Reset),
	Entry("a name that there is none of", &net.DNSError{Err: "no such host", Name: "x", IsTimeout: true}, errclass.DNS),
	Entry("a certificate of somebody", x509.UnknownAuthorityError{}, errclass.TLS),
	Entry("a MongoDB that knows nobody", mongo.CommandError{Code: 18, Message: "Authentication failed."}, errclass.Auth),
	Entry("a MongoDB that is no primary", mongo.CommandError{Code: 10107}, errclass.NotPrimary),
	Entry("a MongoDB with a full disk", mongo.WriteException{WriteErrors: mongo.WriteErrors{{Code: 14031}}}, errclass.DiskFull),
	Entry("a MongoDB that took too long", mongo.CommandError{Code: 50}, errclass.Timeout),
	Entry("a MongoDB with another trouble", mongo.CommandError{Code: 1}, errclass.Other),
	Entry("a Redis that knows nobody", reply("WRONGPASS invalid username-password pair"), errclass.Auth),
	Entry("a Redis that still reads", reply("LOADING Redis is loading the dataset in memory"), "LOADING"),
	Entry("a Redis that says a secret", reply("hunter2 x"), errclass.Other),
)

var _ = It("is that of the cause where real parts fail", func(ctx SpecContext) {
	_, err := os.ReadFile(filepath.Join(GinkgoT().TempDir(), "none"))
	Expect(errclass.Of(err)).To(Equal(errclass.Missing))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	Expect(err).NotTo(HaveOccurred())
	closed := l.Addr().String()
	Expect(l.Close()).To(Succeed())
	client := redis.NewClient(&redis.Options{Addr: closed, MaxRetries: -1})
	defer func() { _ = client.Close() }()
	Expect(errclass.Of(client.Ping(ctx).Err())).To(Equal(errclass.Refused))
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	Expect(err).NotTo(HaveOccurred())
	defer func() { _ = silent.Close() }()
	slow := redis.NewClient(&redis.Options{Addr: silent.Addr().String(), MaxRetries: -1, ReadTimeout: 50 * time.Millisecond, DialTimeout: time.Second})
	defer func() { _ = slow.Close() }()
	Expect(errclass.Of(slow.Ping(ctx).Err())).To(Equal(errclass.Timeout))
})

var _ = It("has every class in docs/logging.md", func() {
	source, err := os.ReadFile("errclass.go")
	Expect(err).NotTo(HaveOccurred())
	document, err := os.ReadFile("../../docs/logging.md")
	Expect(err).NotTo(HaveOccurred())
	names := regexp.MustCompile(`"([A-Z]+(?:_[A-Z]+)*)"`).FindAllStringSubmatch(string(source), -1)
	Expect(len(names)).To(BeNumerically(">", 15))
	for _, m := range names {
		if m[1] == "NOAUTH" || m[1] == "WRONGPASS" || m[1] == "NOPERM" {
			continue // AUTH
		}
		Expect(string(document)).To(ContainSubstring("`"+m[1]+"`"), m[1])
	}
})
