package app

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = It("gives memory back when a time of much work is over, once", func() {
	const mb = 1 << 20
	r := reclaimer{kept: 20 * mb}
	allocated := uint64(0)
	look := func(held, lately uint64) bool {
		allocated += lately * mb
		due := r.due(held*mb, allocated)
		if due {
			r.kept = 30 * mb
		}
		return due
	}
	Expect([]bool{
		look(20, 1), look(50, 1), // as it always is
		look(500, 900), look(800, 400), // at work
		look(800, 10), // over
		look(30, 1), look(60, 1), look(60, 1),
		look(900, 200), look(900, 100), // the second is little for so much
	}).To(Equal([]bool{false, false, false, false, true, false, false, false, false, true}))
})
