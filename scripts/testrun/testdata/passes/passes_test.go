package passes

import (
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

func TestPasses(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Passes")
}

func TestPlain(*testing.T) {}

var _ = It("is right", func() { Expect(1).To(Equal(1)) })
