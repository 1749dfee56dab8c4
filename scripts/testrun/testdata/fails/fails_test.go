package fails

import (
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

func TestFails(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Fails")
}

var _ = It("is wrong", func() { Expect(1).To(Equal(2)) })
var _ = It("is right", func() { Expect(1).To(Equal(1)) })
