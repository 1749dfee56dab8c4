package exits

import (
	"os"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

func TestExits(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Exits")
}

var _ = It("ends everything", func() { Expect(true).To(BeTrue()); os.Exit(3) })
