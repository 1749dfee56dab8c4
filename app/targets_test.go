package app

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	logtest "github.com/sirupsen/logrus/hooks/test"

	"github.com/devops-insights/devops-insights/app/config"
	"github.com/devops-insights/devops-insights/poller"
)

var _ = Describe("the targets of the settings", func() {
	make := func() *targets {
		log, _ := logtest.NewNullLogger()
		t := newTargets(&App{log: log})
		DeferCleanup(func(ctx SpecContext) { Expect(t.close(ctx)).To(Succeed()) })
		return t
	}
	region := func(name, url string, change ...func(*config.Region)) config.Region {
		r := config.Region{Name: name, URL: url, Interval: time.Minute}
		for _, f := range change {
			f(&r)
		}
		return r
	}
	of := func(ctx context.Context, t *targets, regions ...config.Region) []poller.Target {
		GinkgoHelper()
		all, commit, err := t.of(ctx, []config.API{{Name: "acme", Regions: regions}})
		Expect(err).NotTo(HaveOccurred())
		commit()
		return all[0]
	}

	It("leave a region's circuit breaker alone that is asked as before, whatever else has changed", func(ctx SpecContext) {
		asked := 0
		upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			asked++
			w.WriteHeader(http.StatusNotFound)
		}))
		DeferCleanup(upstream.Close)
		t := make()
		east := region("east", upstream.URL)
		target := of(ctx, t, east)[0]
		for range 5 {
			_, err := target.Fetch(ctx)
			Expect(err).To(MatchError("answered 404"))
		}
		east.Timeout, east.Title = time.Second, "East"
		_, err := of(ctx, t, region("west", upstream.URL), east)[1].Fetch(ctx)
		Expect(err).To(MatchError(ContainSubstring("asked again at")), "it still rests")
		Expect(asked).To(Equal(5))
		east.Header = http.Header{"X-Key": {"other"}}
		_, err = of(ctx, t, east)[0].Fetch(ctx)
		Expect(err).To(MatchError("answered 404"), "it is asked in another way now")
	})

	It("take an authority that was replaced in its file, and say what is wrong with one", func(ctx SpecContext) {
		upstream := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`1`)) }))
		DeferCleanup(upstream.Close)
		file := filepath.Join(GinkgoT().TempDir(), "ca.pem")
		write := func(text string) { Expect(os.WriteFile(file, []byte(text), 0o600)).To(Succeed()) }
		own := region("east", upstream.URL, func(r *config.Region) { r.TLS.CA = file })
		t := make()
		write(otherAuthority())
		_, err := of(ctx, t, own)[0].Fetch(ctx)
		Expect(err).To(HaveOccurred(), "it has not signed the upstream's certificate")
		write(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: upstream.Certificate().Raw})))
		Expect(of(ctx, t, own)[0].Fetch(ctx)).To(BeEquivalentTo(`1`))
		write("no certificate")
		_, _, err = t.of(ctx, []config.API{{Name: "acme", Regions: []config.Region{own}}})
		Expect(err).To(MatchError(And(ContainSubstring("region east of the API acme"), ContainSubstring(file), ContainSubstring("PEM"))))
		Expect(t.known).To(HaveLen(1), "nothing has changed")
	})
})

// otherAuthority returns a certificate that signs nothing here.
func otherAuthority() string {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	cert := &x509.Certificate{SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true, NotAfter: time.Now().Add(time.Hour)}
	raw, err := x509.CreateCertificate(rand.Reader, cert, cert, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}))
}
