package app

import (
	"path/filepath"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	logtest "github.com/sirupsen/logrus/hooks/test"

	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/boltstore"
)

var _ = It("notices a wall clock that jumps, says it once, and takes drift for what it is", func() {
	log, logs := logtest.NewNullLogger()
	wall, monotonic := time.Unix(1_700_000_000, 0), time.Duration(0)
	c := newClock(log)
	c.now = func() (time.Time, time.Duration) { return wall, monotonic }
	lastWall, lastMonotonic := c.now()
	pass := func(w, m time.Duration) {
		wall, monotonic = wall.Add(w), monotonic+m
		lastWall, lastMonotonic = c.compare(lastWall, lastMonotonic)
	}
	for range 100 {
		pass(1100*time.Millisecond, time.Second)
	}
	pass(time.Hour, time.Hour) // the process was stopped
	Expect(c.describe()).To(Equal(clockInfo{}))
	Expect(c.state()).To(Equal("ok"))
	pass(time.Hour+time.Second, time.Second)
	pass(time.Second, time.Second)
	Expect(c.describe()).To(And(HaveField("Jumps", 1), HaveField("LastMS", BeEquivalentTo(3600_000))))
	Expect(c.state()).To(HavePrefix("set by 1h0m0s at "))
	pass(-time.Hour, time.Second)
	Expect(c.describe()).To(And(HaveField("Jumps", 2), HaveField("LastMS", BeEquivalentTo(-3601_000))))
	Expect(logs.AllEntries()).To(HaveLen(2))
})

var _ = It("tells of history that is ahead of the clock, when that begins and when it ends", func(ctx SpecContext) {
	db, err := boltstore.Open(boltstore.Options{Path: filepath.Join(GinkgoT().TempDir(), "db")})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(db.Close)
	log, logs := logtest.NewNullLogger()
	c := newClock(log)
	now := time.Now()
	look := func(now time.Time) {
		GinkgoHelper()
		ahead, err := aheadOf(ctx, db, []string{"other", "acme"}, now)
		Expect(err).NotTo(HaveOccurred())
		c.noteAhead(ahead)
	}
	save := func(data string, at time.Time) {
		GinkgoHelper()
		Expect(db.Save(ctx, store.Sample{API: "acme", Source: "eu-west", Data: []byte(data), At: at})).To(BeTrue())
	}
	look(now)
	save(`1`, now.Add(clockJump/2))
	look(now)
	Expect(c.state()).To(Equal("ok"), "clocks of machines differ")
	save(`2`, now.Add(time.Hour))
	save(`3`, now.Add(time.Second))
	look(now)
	look(now.Add(time.Minute))
	Expect(c.state()).To(Equal("rows of the history are ahead of it by 59m0s"))
	Expect(logs.AllEntries()).To(ConsistOf(HaveField("Message", ContainSubstring("another writer's clock is fast"))))
	logs.Reset()
	look(now.Add(time.Hour))
	Expect(c.state()).To(Equal("ok"))
	Expect(logs.AllEntries()).To(ConsistOf(HaveField("Message", ContainSubstring("has caught up"))))
})
