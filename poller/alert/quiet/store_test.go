package quiet_test

import (
	"path/filepath"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/poller/alert"
	"github.com/devops-insights/devops-insights/poller/alert/quiet"
	"github.com/devops-insights/devops-insights/store/boltstore"
)

var _ = Describe("with the embedded store", func() {
	It("what people have said is known after a restart", func() {
		path := filepath.Join(GinkgoT().TempDir(), "history.db")
		open := func() (*boltstore.Store, *quiet.Quiet) {
			GinkgoHelper()
			db, err := boltstore.Open(boltstore.Options{Path: path, Retention: -1})
			Expect(err).NotTo(HaveOccurred())
			q, err := quiet.New(quiet.Options{Store: db, Catalog: served, Now: func() time.Time { return noon }, Every: 2 * time.Millisecond})
			Expect(err).NotTo(HaveOccurred())
			return db, q
		}
		db, q := open()
		kept, _, err := q.AddSilence(ctx, "acme", quiet.NewSilence{Matchers: inEU, For: time.Hour}, jo)
		Expect(err).NotTo(HaveOccurred())
		over, _, err := q.AddSilence(ctx, "acme", quiet.NewSilence{Matchers: inEU, For: 2 * time.Hour}, jo)
		Expect(err).NotTo(HaveOccurred())
		_, err = q.EndSilence(ctx, "acme", over.ID, kim)
		Expect(err).NotTo(HaveOccurred())
		w, _, err := q.AddWindow(ctx, "acme", quiet.NewWindow{Title: "Move", For: time.Minute}, jo)
		Expect(err).NotTo(HaveOccurred())
		_, err = q.Acknowledge(ctx, "acme", "i-1", "", jo)
		Expect(err).NotTo(HaveOccurred())
		ack, err := q.Acknowledge(ctx, "acme", "i-1", "mine", kim)
		Expect(err).NotTo(HaveOccurred())
		Expect(db.Close()).To(Succeed())

		db, q = open()
		DeferCleanup(db.Close)
		i := &instance{Quiet: q, clock: &clock{now: noon}}
		i.run()
		Expect(q.Silences("acme")).To(Equal([]alert.Silence{kept}))
		Expect(q.Windows("acme")).To(Equal([]alert.Window{w}))
		Expect(q.Of("acme").Ack("i-1")).To(Equal(&ack))
	})
})
