package cluster

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	goredis "github.com/redis/go-redis/v9"

	"github.com/devops-insights/devops-insights/app"
	"github.com/devops-insights/devops-insights/app/config"
	"github.com/devops-insights/devops-insights/test/kit"
	"github.com/devops-insights/devops-insights/test/wire"
)

// certificates makes an authority and a certificate of 127.0.0.1 that it
// signed, as files.
func certificates() (ca, cert, key string) {
	GinkgoHelper()
	dir := GinkgoT().TempDir()
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		Expect(os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)).To(Succeed())
		return path
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	Expect(err).NotTo(HaveOccurred())
	sign := func(template, parent *x509.Certificate) []byte {
		template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
		der, err := x509.CreateCertificate(rand.Reader, template, parent, &private.PublicKey, private)
		Expect(err).NotTo(HaveOccurred())
		return der
	}
	authority := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	ca = write("ca.pem", "CERTIFICATE", sign(authority, authority))
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "redis"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	cert = write("cert.pem", "CERTIFICATE", sign(leaf, authority))
	der, err := x509.MarshalPKCS8PrivateKey(private)
	Expect(err).NotTo(HaveOccurred())
	return ca, cert, write("key.pem", "PRIVATE KEY", der)
}

// pair are two instances with these settings; the changes that one polls reach
// the other over Redis alone.
type pair struct {
	up         *kit.Upstream
	dashboards []*kit.Client
	last       []int
	n          int
}

func startPair(redis *wire.Redis, change func(*app.Options)) *pair {
	GinkgoHelper()
	all := instances(2, wire.FerretDB(GinkgoTB()).Database("settings"), redis, change)
	p := &pair{up: all[0].Upstream, last: []int{-1, -1}}
	for _, s := range all {
		p.dashboards = append(p.dashboards, watch(s, "eu-west"))
	}
	return p
}

// hear changes the value and waits until the dashboards of both show it.
func (p *pair) hear() {
	GinkgoHelper()
	p.n++
	p.up.Set("eu-west", fmt.Sprintf(`{"n":%d}`, p.n))
	for i, d := range p.dashboards {
		current(d, &p.last[i], p.n)
	}
}

// leased reports whether the right to poll is kept in this Redis.
func leased(client *goredis.Client) func() int64 {
	return func() int64 {
		return client.Exists(context.Background(), "devops-insights:poller:leader:acme").Val()
	}
}

var _ = Describe("Redis as it is run in earnest", func() {
	It("may ask for a user, a password, and allow no more than what docs/security.md lists", func() {
		doc, err := os.ReadFile("../../docs/security.md")
		Expect(err).NotTo(HaveOccurred())
		_, rules, found := strings.Cut(string(doc), "ACL SETUSER insights ")
		Expect(found).To(BeTrue())
		rules, _, _ = strings.Cut(rules, "\n")
		rules = strings.Replace(rules, "‹password›", "p:a/s@s", 1)
		redis := wire.StartRedis(GinkgoTB(), append([]string{"--user", "insights"}, strings.Fields(rules)...)...)
		client := redis.Client()
		DeferCleanup(client.Close)
		host := "redis://insights:p%3Aa%2Fs%40s@" + redis.Addr
		pair := startPair(redis, func(o *app.Options) { o.Config.RedisHost, o.Config.RedisRequired = host, true })
		Eventually(leased(client)).Should(BeEquivalentTo(1))
		n := startNode(redis.URL())
		pair.hear()
		pair.hear()
		n.do(command{Do: "emit", Args: []any{"hello"}})
		for _, d := range pair.dashboards {
			Eventually(d.Next).Should(HaveField("Name", "hello"))
		}
		Expect(client.Do(context.Background(), "ACL", "LOG").Slice()).To(BeEmpty(), "nothing was tried that is not allowed")
		Expect(client.ClientList(context.Background()).Val()).To(ContainSubstring("user=insights"))

		c := config.Default()
		c.Host, c.Port, c.DataDir = "127.0.0.1", 0, GinkgoT().TempDir()
		c.RedisHost, c.RedisRequired = strings.Replace(host, "p%3Aa", "wrong", 1), true
		_, err = app.New(context.Background(), app.Options{Config: c})
		Expect(err).To(MatchError(And(ContainSubstring("WRONGPASS"), Not(ContainSubstring("wrong%2Fs")))))
	})

	It("may speak TLS only, with an authority of its own, and ask for a certificate in turn", func() {
		ca, cert, key := certificates()
		port := freePort()
		redis := wire.StartRedis(GinkgoTB(), "--tls-port", port, "--tls-ca-cert-file", ca, "--tls-cert-file", cert, "--tls-key-file", key)
		client := redis.Client()
		DeferCleanup(client.Close)
		secure := func(o *app.Options) {
			o.Config.RedisHost, o.Config.RedisRequired = "rediss://127.0.0.1:"+port, true
			o.Config.RedisCA, o.Config.RedisCert, o.Config.RedisKey = ca, cert, key
		}
		pair := startPair(redis, secure)
		Eventually(leased(client)).Should(BeEquivalentTo(1))
		pair.hear()
		pair.hear()

		c := config.Default()
		c.Host, c.Port, c.DataDir = "127.0.0.1", 0, GinkgoT().TempDir()
		o := app.Options{Config: c}
		secure(&o)
		o.Config.RedisCA = ""
		_, err := app.New(context.Background(), o)
		Expect(err).To(MatchError(ContainSubstring("unknown authority")))
	})

	It("may be a master that Sentinels replace while dashboards are connected", func() {
		master := wire.StartRedis(GinkgoTB())
		_, port, err := net.SplitHostPort(master.Addr)
		Expect(err).NotTo(HaveOccurred())
		replica := wire.StartRedis(GinkgoTB(), "--replicaof", "127.0.0.1", port)
		sentinel := wire.StartSentinel(GinkgoTB(), master)
		watcher := goredis.NewSentinelClient(&goredis.Options{Addr: sentinel})
		DeferCleanup(watcher.Close)
		Eventually(func() []map[string]string {
			found, _ := watcher.Replicas(context.Background(), "main").Result()
			return found
		}, "30s", "100ms").Should(ContainElement(HaveKeyWithValue("master-link-status", "ok")))
		pair := startPair(master, func(o *app.Options) {
			o.Config.RedisHost, o.Config.RedisMaster, o.Config.RedisRequired = "redis://"+sentinel, "main", true
		})
		pair.hear()
		pair.hear()
		master.Kill()
		Eventually(func() []string {
			addr, _ := watcher.GetMasterAddrByName(context.Background(), "main").Result()
			return addr
		}, "30s", "100ms").Should(Equal(strings.Split(replica.Addr, ":")))
		pair.hear()
		client := replica.Client()
		DeferCleanup(client.Close)
		Eventually(leased(client), "30s", "100ms").Should(BeEquivalentTo(1), "who polls is decided there again")
		pair.hear()
	})
})
