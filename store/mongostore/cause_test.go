package mongostore_test

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/store/mongostore"
	"github.com/devops-insights/devops-insights/test/wire"
)

var _ = Describe("a database that cannot be used", func() {
	// open tries the URL and returns the sentence about it.
	open := func(url string) string {
		GinkgoHelper()
		began := time.Now()
		_, err := mongostore.Open(context.Background(), mongostore.Options{URL: url, ConnectTimeout: 10 * time.Second})
		Expect(errors.As(err, new(*mongostore.UnreachableError))).To(BeTrue(), "%v", err)
		Expect(time.Since(began)).To(BeNumerically("<", 8*time.Second), "it is said at once")
		Expect(err.Error()).NotTo(ContainSubstring("hunter2"))
		return err.Error()
	}
	host := func(s *wire.Server) string {
		GinkgoHelper()
		u, err := url.Parse(s.Database("x"))
		Expect(err).NotTo(HaveOccurred())
		return u.Host
	}

	It("has its own cause, without the password", func() {
		plain := host(wire.Start(GinkgoTB(), "--cache-size", "64M"))
		said := []string{
			open("mongodb://u:hunter2@127.0.0.1:1/x"),
			open("mongodb://u:hunter2@database.invalid/x"),
			open("mongodb://u:hunter2@" + plain + "/x?tls=true"),
			open("mongodb://" + plain + "/x?replicaSet=other"),
			open("mongodb://u:hunter2@" + plain + "/x"),
		}
		for i, part := range []string{"refuses the connection", "is not resolved", "speaks no TLS", `replica set "other"`, "the user or the password"} {
			Expect(said[i]).To(ContainSubstring(part))
		}
		Expect(open("mongodb+srv://u:hunter2@database.invalid/x")).To(ContainSubstring("is not resolved"))
	})

	It("may want a user", func() {
		Expect(open("mongodb://" + host(wire.Start(GinkgoTB(), "--auth")) + "/x")).To(ContainSubstring("needs a user"))
	})

	It("explains an error once", func() {
		once := mongostore.Cause(context.DeadlineExceeded, "mongodb://u:hunter2@h/x")
		Expect(mongostore.Cause(once, "")).To(BeIdenticalTo(once))
		Expect(strings.Count(once.Error(), "does not answer")).To(Equal(1))
		Expect(mongostore.Cause(nil, "")).To(Succeed())
	})
})
