package network

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"
)

func TestAWitnessThatNeverAnsweredIsNone(t *testing.T) {
	in(t, func(t *testing.T) {
		w := newWorld(t)
		cut(w)
		w.g.Expect(w.timesOut(eu)).To(BeFalse(), "no upstream and no witness has ever answered")
		w.up(eu)
		time.Sleep(time.Second)
		w.g.Expect(w.timesOut(eu)).To(BeFalse(), "no witness has ever answered")
		w.g.Expect(w.Status()).To(BeZero())
		w.g.Expect(w.logs.AllEntries()).To(HaveLen(2), "what is in the settings and cannot work is told of")
		for range 10 {
			time.Sleep(learnEvery)
			w.up(eu)
		}
		w.g.Expect(w.logs.AllEntries()).To(HaveLen(2), "once")
	})
}

func TestAWitnessThatDoesNotAnswerAnyMoreWhileUpstreamsDoCountsNoMore(t *testing.T) {
	in(t, func(t *testing.T) {
		w := newWorld(t)
		w.up(eu)
		cut(w)
		for i := range maxMisses {
			w.g.Expect(w.Status().Witnesses).To(Equal(2), fmt.Sprint(i))
			time.Sleep(learnEvery)
			w.up(eu)
			time.Sleep(2 * time.Second)
		}
		w.g.Expect(w.Status().Witnesses).To(BeZero())
		w.g.Expect(w.timesOut(eu)).To(BeFalse())
		time.Sleep(learnEvery)
		w.up(eu)
		time.Sleep(2 * time.Second)
		w.g.Expect(w.logs.AllEntries()).To(HaveLen(2), "each of them is told of")
		w.set(refuses, gateway)
		time.Sleep(learnEvery)
		w.up(eu)
		time.Sleep(2 * time.Second)
		w.g.Expect(w.Status().Witnesses).To(Equal(1), "it answers again")
	})
}

func TestWitnessesAreAskedOnceAMinuteWhileUpstreamsAnswer(t *testing.T) {
	in(t, func(t *testing.T) {
		w := newWorld(t)
		for range 600 {
			w.up(eu)
			time.Sleep(time.Second)
		}
		w.g.Expect(w.dialled(gateway)).To(Equal(10))
		time.Sleep(time.Hour)
		w.g.Expect(w.dialled(gateway)).To(Equal(10), "nobody polls")
	})
}

func TestWitnessesThatNobodyHasNamedAreNotAskedOnBehalfOfThisMachine(t *testing.T) {
	in(t, func(t *testing.T) {
		w := newWorld(t, func(o *Options) { o.Guessed = true })
		w.set(silent, resolver)
		for _, host := range []string{"127.0.0.1:5001", "localhost:80", "eu.localhost", "[::1]:80", "::1", "127.9.9.9", ""} {
			time.Sleep(learnEvery)
			w.up(host)
			w.g.Expect(w.timesOut("192.0.2.9:80")).To(BeFalse())
		}
		w.g.Expect(w.dialled(gateway)).To(BeZero())
		w.up(eu)
		time.Sleep(2 * time.Second)
		w.g.Expect(w.dialled(gateway)).To(Equal(1))
		w.g.Expect(w.Status().Witnesses).To(Equal(1))
		w.g.Expect(w.logs.AllEntries()).To(BeEmpty(), "a guess that is wrong is no news")
	})
}

func TestWitnessesMayChange(t *testing.T) {
	in(t, func(t *testing.T) {
		all := []string{gateway}
		w := newWorld(t, func(o *Options) { o.Witnesses = func() []string { return all } })
		w.up(eu)
		w.g.Expect(w.trusted()).To(ConsistOf(gateway))
		all = []string{resolver}
		time.Sleep(learnEvery)
		w.up(eu)
		synctest.Wait()
		w.g.Expect(w.trusted()).To(ConsistOf(resolver))
	})
}

func TestPlacesInTheSettings(t *testing.T) {
	g := NewWithT(t)
	all, err := ParseWitnesses(" 192.0.2.1:53 ,, [2001:db8::1]:443, [fe80::1%eth0]:53,example.com:443,192.0.2.1:53")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(all).To(Equal([]string{"192.0.2.1:53", "[2001:db8::1]:443", "[fe80::1%eth0]:53", "example.com:443"}))
	for _, bad := range []string{"192.0.2.1", "192.0.2.1:0", "192.0.2.1:65536", "192.0.2.1:dns", ":53", "2001:db8::1", "http://example.com:80", "a b:1"} {
		_, err := ParseWitnesses("192.0.2.1:53," + bad)
		g.Expect(err).To(MatchError(And(ContainSubstring("%q", bad), ContainSubstring("host:port is expected"))), bad)
	}
	var many []string
	for i := range MaxWitnesses + 1 {
		many = append(many, fmt.Sprintf("192.0.2.%d:53", i))
	}
	_, err = ParseWitnesses(strings.Join(many, ","))
	g.Expect(err).To(MatchError("21 places are too many: up to 20 are asked"))
}

// machine writes files of a Linux machine, and returns where they are.
func machine(t *testing.T, files map[string]string) string {
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

const (
	routes4 = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n" +
		"eth0\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n" +
		"eth0\t000200C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n"
	routes6 = "20010db8000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001 eth0\n" +
		"00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe800000000000000000000000000001 00000064 00000001 00000000 00000003 eth0\n" +
		"00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200 lo\n"
)

func TestTheWitnessesOfTheSystem(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  []string
	}{
		"gateway and DNS servers": {
			map[string]string{"proc/net/route": routes4, "etc/resolv.conf": "# mine\nsearch example.com\nnameserver 192.0.2.53\nnameserver 127.0.0.1\nnameserver nonsense\n"},
			[]string{"192.0.2.1:53", "192.0.2.1:443", "192.0.2.53:53", "192.0.2.53:443"},
		},
		"IPv6 alone": {
			map[string]string{"proc/net/route": strings.SplitAfter(routes4, "\n")[0], "proc/net/ipv6_route": routes6, "etc/resolv.conf": "nameserver 2001:db8::53\nnameserver fe80::53%eth0\n"},
			[]string{"[fe80::1%eth0]:53", "[fe80::1%eth0]:443", "[2001:db8::53]:53", "[2001:db8::53]:443", "[fe80::53%eth0]:53", "[fe80::53%eth0]:443"},
		},
		"the resolver of systemd in front": {
			map[string]string{"etc/resolv.conf": "nameserver 127.0.0.53\n", "run/systemd/resolve/resolv.conf": "nameserver 192.0.2.53\n"},
			[]string{"192.0.2.53:53", "192.0.2.53:443"},
		},
		"a resolver on loopback alone": {map[string]string{"etc/resolv.conf": "nameserver 127.0.0.11\n"}, nil},
		"another system":               {nil, nil},
		"files that are damaged":       {map[string]string{"proc/net/route": "\n\x00\neth0\t00000000\nx\t00000000\tzz\n", "proc/net/ipv6_route": "0 00\n", "etc/resolv.conf": "nameserver\n"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(System(machine(t, c.files))).To(Equal(c.want))
		})
	}
	t.Run("a router with many routes", func(t *testing.T) {
		g := NewWithT(t)
		many := strings.Repeat("eth0\t00000000\t010200C0\t0003\n", 100_000)
		for i := range 50 {
			many = fmt.Sprintf("eth0\t00000000\t%02X0200C0\t0003\n", i+1) + many
		}
		g.Expect(System(machine(t, map[string]string{"proc/net/route": many}))).To(HaveLen(MaxWitnesses))
	})
}
