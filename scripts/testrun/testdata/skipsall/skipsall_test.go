package skipsall

import (
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

func TestSkipsAll(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Skips all")
}

var _ = It("needs a unicorn", func() { Skip("there is no unicorn here") })
