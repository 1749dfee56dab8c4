package skips

import (
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

func TestSkips(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Skips")
}

func TestPlainSkip(t *testing.T) { t.Skip("the moon is not full") }

var _ = It("needs a unicorn", func() { Skip("there is no unicorn here") })
var _ = PIt("is for later", func() {})
var _ = It("is right", func() { Expect(1).To(Equal(1)) })
