package once

import (
	"os"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

func TestOnce(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Once")
}

var _ = It("fails the first time", func() {
	mark := os.Getenv("TESTRUN_ONCE")
	_, err := os.Stat(mark)
	Expect(os.WriteFile(mark, nil, 0o600)).To(Succeed())
	if err != nil && os.Getenv("TESTRUN_PANIC") != "" {
		panic("a fault")
	}
	Expect(err).NotTo(HaveOccurred())
})
