package retention

import (
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"
)

func TestAWallClockThatJumpsAheadAgesNothing(t *testing.T) {
	g := NewWithT(t)
	began := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	wall, steady := began, time.Duration(0)
	c := New(func() time.Time { return wall })
	c.elapsed = func() time.Duration { return steady }
	pass := func(ofWall, ofSteady time.Duration) { wall, steady = wall.Add(ofWall), steady+ofSteady }
	pass(time.Minute, time.Minute)
	g.Expect(c.Horizon(time.Hour)).To(Equal(began.Add(time.Minute - time.Hour)))
	pass(365*24*time.Hour, time.Minute)
	g.Expect(c.Horizon(time.Hour)).To(Equal(began.Add(2*time.Minute-time.Hour)), "a year ahead")
	pass(-365*24*time.Hour, time.Minute)
	g.Expect(c.Horizon(time.Hour)).To(Equal(began.Add(time.Minute-time.Hour)), "set right, and a minute behind")
	pass(-time.Hour, time.Minute)
	g.Expect(c.Horizon(time.Hour)).To(Equal(began.Add(time.Minute-2*time.Hour)), "set back")
}

func TestTimePasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		began := time.Now().Round(0)
		c := New(time.Now)
		time.Sleep(90 * time.Minute)
		g.Expect(c.Horizon(time.Hour)).To(BeTemporally("==", began.Add(30*time.Minute)))
	})
}
