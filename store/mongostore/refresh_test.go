package mongostore

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/storetest"
	"github.com/devops-insights/devops-insights/test/wire"
)

var _ = Describe("a Refresh", func() {
	It("brings what other processes have stored, where there are no change streams, before the changes that follow", func(ctx SpecContext) {
		uri := wire.FerretDB(GinkgoTB()).Database("refresh")
		ours, theirs := open(uri), open(uri)
		save(ours, "eu-west", 1)
		h := storetest.Follow(ours)
		save(theirs, "eu-west", 2)
		save(theirs, "us-east", 3)
		Expect(ours.Refresh(ctx)).To(Succeed())
		save(ours, "eu-west", 4)
		Eventually(h.All, "10s").Should(Equal([]string{
			"eu-west 1 snapshot", "eu-west 2 snapshot", "us-east 3 snapshot", "eu-west 4",
		}))
	})

	It("hands on no older value while several processes store, where there are no change streams", func(ctx SpecContext) {
		uri := wire.FerretDB(GinkgoTB()).Database("refresh")
		ours := open(uri)
		h := storetest.Follow(ours)
		const last = 60
		stored := make(chan struct{})
		go func() {
			defer GinkgoRecover()
			defer close(stored)
			for n := range last + 1 {
				save(ours, "eu-west", n)
			}
		}()
		for over := false; !over; {
			Expect(ours.Refresh(ctx)).To(Succeed())
			select {
			case <-stored:
				over = true
			default:
			}
		}
		before := -1
		Eventually(func() []string { return h.Values("eu-west") }, "10s").Should(HaveLen(last + 1))
		for _, text := range h.Values("eu-west") {
			Expect(strconv.Atoi(text)).To(Equal(before + 1))
			before++
		}
	})

	It("says when the database cannot be read, and ends with its context", func(ctx SpecContext) {
		for _, start := range []func() *wire.Server{
			func() *wire.Server { return wire.Start(GinkgoTB(), "--enable-test-commands") },
			func() *wire.Server { return wire.FerretDB(GinkgoTB()) },
		} {
			server := start()
			s := open(server.Database("gone")+"&heartbeatFrequencyMS=500", func(o *Options) { o.ConnectTimeout = 300 * time.Millisecond })
			storetest.Follow(s)
			server.Kill()
			bounded, cancel := context.WithTimeout(ctx, 30*time.Second)
			Expect(s.Refresh(bounded)).NotTo(Succeed(), server.Name)
			Expect(bounded.Err()).NotTo(HaveOccurred(), "the error is the database's")
			cancel()
			ended, end := context.WithCancel(ctx)
			end()
			Expect(s.Refresh(ended)).To(MatchError(context.Canceled))
		}
	})
})

var _ = It("hands on every change of another writer whose clock was an hour ahead and is set right", func(ctx SpecContext) {
	s := open(wire.Start(GinkgoTB()).Database("clock"))
	now := time.Now().UTC().Truncate(time.Millisecond)
	write := func(n int, at time.Time) {
		GinkgoHelper()
		text := fmt.Sprint(n)
		result, err := s.latest.UpdateOne(ctx, ofRegion("acme", "eu-west"), bson.D{{Key: "$set", Value: bson.D{
			{Key: "data", Value: int32(n)}, {Key: "hash", Value: store.Hash([]byte(text))}, {Key: "updatedAt", Value: at},
		}}})
		Expect(err).NotTo(HaveOccurred())
		Expect(result.ModifiedCount).To(BeEquivalentTo(1))
	}
	save(s, "eu-west", 1)
	write(2, now.Add(time.Hour))
	h := storetest.Follow(s)
	write(3, now)
	Expect(s.Save(ctx, store.Sample{API: "acme", Source: "eu-west", Data: json.RawMessage(`4`), At: now.Add(-time.Minute)})).To(BeTrue())
	write(5, now.Add(-time.Hour))
	want := []string{"2", "3", "4", "5"}
	Eventually(func() []string { return h.Values("eu-west") }, "20s").Should(Equal(want))
	Expect(s.Refresh(ctx)).To(Succeed())
	Expect(h.Values("eu-west")).To(Equal(want))
	Expect(s.Save(ctx, store.Sample{API: "acme", Source: "eu-west", Data: json.RawMessage(`5`), At: now.Add(-2 * time.Hour)})).To(BeFalse())
})
