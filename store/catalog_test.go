package store_test

import (
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/store"
)

func TestStore(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Store")
}

var _ = Describe("a catalog", func() {
	c := store.Catalog{
		{Name: "acme", Regions: []store.Region{{Name: "eu-west"}, {Name: "us-east"}}},
		{Name: "beta", Regions: []store.Region{{Name: "moon"}}},
	}
	It("means the first API where none is named", func() {
		a, found := c.Find("")
		Expect(found).To(BeTrue())
		Expect(a.Name).To(Equal("acme"))
		Expect(a.Sources()).To(Equal([]string{"eu-west", "us-east"}))
	})
	It("knows its APIs and their regions, in their order", func() {
		Expect(c.Names()).To(Equal([]string{"acme", "beta"}))
		a, _ := c.Find("beta")
		Expect(a.Has("moon")).To(BeTrue())
		Expect(a.Has("eu-west")).To(BeFalse())
	})
	It("has nothing where it is empty, nor under another name", func() {
		for name, in := range map[string]store.Catalog{"": nil, "gamma": c} {
			_, found := in.Find(name)
			Expect(found).To(BeFalse())
		}
	})
})
