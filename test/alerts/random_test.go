//go:build unix

package alerts

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/test/kit"
	"github.com/devops-insights/devops-insights/test/wire"
)

// fleet are instances to which things happen by chance. One of them at least is
// always running.
type fleet struct {
	start func(name string) *instance
	dice  *rand.Rand
	all   []*member
	born  int
}

type member struct {
	*instance // nil: killed
	name      string
	stopped   bool
}

// goOn lets one thing happen, or two.
func (f *fleet) goOn() {
	GinkgoHelper()
	for range 1 + f.dice.IntN(2) {
		f.happens()
	}
}

// happens lets one thing happen to one instance.
func (f *fleet) happens() {
	GinkgoHelper()
	m := f.all[f.dice.IntN(len(f.all))]
	others := slices.ContainsFunc(f.all, func(o *member) bool { return o != m && o.instance != nil && !o.stopped })
	what := f.dice.IntN(3)
	switch {
	case m.instance == nil:
		f.born++
		m.name = fmt.Sprint("instance ", f.born)
		f.says("start", m)
		m.instance = f.start(m.name)
	case m.stopped:
		f.says("SIGCONT", m)
		m.Signal(syscall.SIGCONT)
		m.stopped = false
	case !others:
	case what == 0:
		f.says("SIGSTOP", m)
		m.Signal(syscall.SIGSTOP)
		m.stopped = true
	case what == 1:
		f.says("SIGTERM", m)
		m.Terminate().Wait("40s")
		m.instance = nil
	default:
		f.says("SIGKILL", m)
		m.Kill().Wait("40s")
		m.instance = nil
	}
}

func (f *fleet) says(what string, m *member) {
	GinkgoWriter.Println(time.Now().Format("15:04:05.000"), what, m.name)
}

// ofRegion returns what a receiver was told of a region, in order.
func (r *receiver) ofRegion(region string) func() []string {
	return func() (texts []string) {
		for _, n := range r.messages() {
			if n.Alerts[0].Labels["region"] == region {
				texts = append(texts, n.Status)
			}
		}
		return texts
	}
}

var _ = Describe("three instances that are killed, stopped and started by chance", func() {
	It("tell of each outage once, whatever happens, also a receiver that fails now and then", func() {
		seed := GinkgoRandomSeed()
		GinkgoWriter.Println("the seed is", seed, "(-ginkgo.seed)")
		dice := rand.New(rand.NewPCG(uint64(seed), 15))
		upstream, hook := kit.NewUpstream(GinkgoTB()), newReceiver()
		uri := wire.Start(GinkgoTB()).Database("random")
		f := &fleet{dice: dice, start: func(name string) *instance {
			return run(GinkgoT().TempDir(), upstream, "ALERT_WEBHOOK_URL="+hook.server.URL, "DATABASE_URL="+uri, "POLL_LEASE=2s", "UPSTREAM_HEADER_X_INSTANCE="+name)
		}}
		for range 3 {
			f.all = append(f.all, &member{})
		}
		for _, m := range f.all {
			f.born++
			m.name = fmt.Sprint("instance ", f.born)
			m.instance = f.start(m.name)
		}
		DeferCleanup(func() {
			for _, m := range f.all {
				if m.stopped {
					m.Signal(syscall.SIGCONT)
				}
			}
		})
		polled(upstream, "eu-west", 3)
		failsNowAndThen(hook, rand.New(rand.NewPCG(uint64(seed), 16)))

		regions := []string{"eu-west", "us-east"}
		want := map[string][]string{}
		heard := func() {
			GinkgoHelper()
			for _, region := range regions {
				Eventually(hook.ofRegion(region), "40s", "50ms").Should(Equal(want[region]), "%s, seed %d", region, seed)
			}
		}
		for range 5 {
			for _, region := range regions {
				upstream.Fail(region, 503)
				want[region] = append(want[region], "firing")
			}
			polled(upstream, regions[0], dice.IntN(4))
			f.goOn()
			heard()
			f.goOn()
			for _, region := range regions {
				upstream.Set(region, calm)
				want[region] = append(want[region], "resolved")
			}
			polled(upstream, regions[0], dice.IntN(2))
			f.goOn()
			heard()
		}
		for _, m := range f.all { // who has slept wakes up with what it knew
			if m.stopped {
				m.Signal(syscall.SIGCONT)
				m.stopped = false
			}
		}
		polled(upstream, "eu-west", 10)
		heard()
		Expect(hook.heard()).To(HaveLen(20), "seed %d", seed)
	})
})

// failsNowAndThen lets a receiver answer 500, or break off before or after it has
// taken a message, by chance, and never twice in a row for one text.
func failsNowAndThen(hook *receiver, dice *rand.Rand) {
	var mu sync.Mutex
	failed := map[string]bool{}
	breakOff := func(w http.ResponseWriter) {
		if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
			_ = conn.Close()
		}
	}
	hook.does(func(w http.ResponseWriter, text string, take func()) {
		mu.Lock()
		chance := dice.IntN(6)
		if failed[text] {
			chance = 5
		}
		failed[text] = chance < 3
		mu.Unlock()
		switch chance {
		case 0:
			w.WriteHeader(500)
		case 1:
			breakOff(w)
		case 2:
			take()
			breakOff(w)
		default:
			take()
		}
	})
}
