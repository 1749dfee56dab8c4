package database

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/devops-insights/devops-insights/app"
	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/mongostore"
	"github.com/devops-insights/devops-insights/store/rollup"
	"github.com/devops-insights/devops-insights/test/kit"
	"github.com/devops-insights/devops-insights/test/wire"
)

var _ = It("rolls up the history of a Node database from its first start on, and changes nothing of it", func(ctx SpecContext) {
	uri := wire.Start(GinkgoTB()).Database("backfill")
	// Two days in which the load rises by one each half hour.
	type row struct {
		Source    string         `json:"source"`
		Data      map[string]any `json:"data"`
		CreatedAt time.Time      `json:"createdAt"`
	}
	begin := time.Now().UTC().Truncate(time.Hour).Add(-48 * time.Hour)
	var rows []row
	for n := range 90 {
		for _, source := range []string{"eu-west", "us-east"} {
			rows = append(rows, row{source, map[string]any{"status": "ok", "load": n, "deep": map[string]any{"x": []int{n}}}, begin.Add(time.Duration(n) * 30 * time.Minute)})
		}
	}
	argument, err := json.Marshal(rows)
	Expect(err).NotTo(HaveOccurred())
	cmd := exec.Command("node", "mongoose.mjs", uri, "keep", string(argument))
	cmd.Dir, cmd.Stderr = "../js", GinkgoWriter
	Expect(cmd.Run()).To(Succeed(), "make deps says what is missing")

	reader, err := mongostore.Open(ctx, mongostore.Options{URL: uri})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(reader.Close)
	// both are the bytes of all documents of the backend's two collections.
	both := func() (all []string) {
		GinkgoHelper()
		for _, name := range []string{"metrics_latest", "metrics_history"} {
			cursor, err := reader.Database().Collection(name).Find(ctx, bson.D{}, options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}))
			Expect(err).NotTo(HaveOccurred())
			for cursor.Next(ctx) {
				all = append(all, string(cursor.Current))
			}
			Expect(cursor.Err()).NotTo(HaveOccurred())
		}
		return all
	}
	before := both()
	Expect(before).To(HaveLen(2 + len(rows)))

	kit.Start(GinkgoTB(), func(o *app.Options) {
		o.Config.DatabaseURL = uri
		o.Config.UpstreamURL = "http://127.0.0.1:1/{source}" // polling brings no values
		o.Config.PollLease = 3 * time.Second
	})
	for _, source := range []string{"eu-west", "us-east"} {
		Eventually(func() time.Time {
			m, err := reader.Mark(ctx, "acme", source)
			Expect(err).NotTo(HaveOccurred())
			return m.To
		}, "60s", "100ms").Should(BeTemporally(">", time.Now().Add(-5*time.Minute)))
		m, err := reader.Mark(ctx, "acme", source)
		Expect(err).NotTo(HaveOccurred())
		Expect(m.Fields).To(ContainElement("load"))
		series, err := rollup.Read(ctx, reader, rollup.SeriesQuery{
			API: "acme", Source: source, Field: "load", From: begin, To: begin.Add(45 * time.Hour), Step: time.Hour, Agg: rollup.AggAvg,
		}, time.Now())
		Expect(err).NotTo(HaveOccurred())
		Expect(series.Tier).To(Equal("1h"))
		Expect(series.Points).To(HaveLen(45))
		for i, p := range series.Points {
			Expect(p.OK).To(BeTrue(), fmt.Sprint(p.At))
			Expect(p.Value).To(BeNumerically("~", 2*float64(i)+0.5, 1e-9), fmt.Sprint(p.At))
		}
		for _, tier := range store.Tiers() {
			n := 0
			Expect(reader.ScanChunks(ctx, store.ChunkQuery{API: "acme", Source: source, Field: "load", Tier: tier}, func(store.Chunk) error { n++; return nil })).To(Succeed())
			Expect(n).To(BeNumerically(">", 0), string(tier))
		}
	}
	Expect(both()).To(Equal(before), "by bytes")
})
