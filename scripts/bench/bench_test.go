package main

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/klauspost/compress/flate"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

func TestBench(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "the benchmark")
}

func update(region string, number int64) []byte {
	return fmt.Appendf(nil, `42["metrics-update",{"api":"acme","source":%q,"data":{"seq":%d,"stamp":%d},"timestamp":"x"}]`, region, number, time.Now().UnixMicro())
}

func received(numbers ...int64) outcome {
	d := &dashboard{}
	d.begin([]int64{5, 0, 0, 0, 0, 0})
	for _, n := range numbers {
		h, ok := parseUpdate(update("us-east", n))
		Expect(ok).To(BeTrue())
		d.add(h, time.Now())
	}
	var o outcome
	(&crowd{all: []*dashboard{d}}).sum(&o, []int64{8, 0, 0, 0, 0, 0})
	return o
}

var _ = Describe("what a dashboard received", func() {
	It("is complete when every value came once and in order", func() {
		o := received(6, 7, 8)
		Expect([]int64{o.Delivered, o.Lost, o.Twice, o.Unordered}).To(Equal([]int64{3, 0, 0, 0}))
	})
	It("tells lost ones, in the middle and at the end", func() {
		Expect(received(7).Lost).To(BeEquivalentTo(2))
	})
	It("tells one that came twice", func() {
		Expect(received(6, 6, 7, 8).Twice).To(BeEquivalentTo(1))
	})
	It("tells one that came after a newer", func() {
		Expect(received(7, 6, 8).Unordered).To(BeEquivalentTo(1))
	})
	It("is no update when it is another packet", func() {
		_, ok := parseUpdate([]byte(`40{"sid":"x"}`))
		Expect(ok).To(BeFalse())
	})
	It("is read through the compression", func() {
		var b bytes.Buffer
		w, err := flate.NewWriter(&b, 6)
		Expect(err).NotTo(HaveOccurred())
		_, err = w.Write(update("eu-west", 7))
		Expect(err).NotTo(HaveOccurred())
		Expect(w.Flush()).To(Succeed())
		for range 2 { // the second one from memory
			h, ok, err := newInflater().head(bytes.TrimSuffix(b.Bytes(), []byte("\x00\x00\xff\xff")))
			Expect(err).NotTo(HaveOccurred())
			Expect(ok).To(BeTrue())
			Expect(h.number).To(BeEquivalentTo(7))
		}
	})
})

var _ = Describe("the summary", func() {
	runs := func(mine, theirs []float64) []outcome {
		var all []outcome
		for i := range mine {
			all = append(all, outcome{Server: ours, Profile: "p", Round: i, CPUPerMessage: mine[i]}, outcome{Server: "node", Profile: "p", Round: i, CPUPerMessage: theirs[i]})
		}
		return all
	}
	p := profile{name: "p", connections: 1, rate: 1}

	It("compares run by run and takes the medians", func() {
		s := summarize(p, runs([]float64{1, 2, 3}, []float64{2, 4, 6.6}))
		Expect(s.Medians[0].CPUPerMessage).To(Equal(2.0))
		Expect(s.Ratios[0].Median).To(Equal(0.5))
		Expect(s.Ratios[0].Lowest).To(BeNumerically("~", 0.4545, 0.001))
		Expect(s.Noise).To(BeEmpty())
	})
	It("does not conclude from runs that lie far apart", func() {
		Expect(summarize(p, runs([]float64{1, 2}, []float64{2, 2})).Noise).To(ContainSubstring("too noisy"))
	})
	It("tells a run that failed, and does not count it", func() {
		all := runs([]float64{1, 2}, []float64{2, 4})
		all[3].Failure = "it went away"
		s := summarize(p, all)
		Expect(s.Failures).To(Equal([]string{"node, run 2: it went away"}))
		Expect(s.Ratios[0].Lowest).To(Equal(0.5))
		Expect(s.Medians[1].CPUPerMessage).To(Equal(2.0))
	})
	It("does not conclude where others used the machine", func() {
		all := runs([]float64{1, 1}, []float64{2, 2})
		for i := range all {
			all[i].Foreign = 0.3
		}
		Expect(summarize(p, all).Noise).To(ContainSubstring("others used 30 %"))
	})
})
