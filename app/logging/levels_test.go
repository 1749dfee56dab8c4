package logging

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"
)

// written returns a log and what it has written, in one word a line.
func written() (*Log, func() []string) {
	var out bytes.Buffer
	logger := logrus.New()
	logger.SetOutput(&out)
	logger.SetFormatter(&logrus.JSONFormatter{DisableTimestamp: true})
	log := Wrap(logger)
	return log, func() (said []string) {
		for line := range strings.Lines(out.String()) {
			_, rest, _ := strings.Cut(line, `"msg":"`)
			word, _, _ := strings.Cut(rest, `"`)
			said = append(said, word)
		}
		out.Reset()
		return said
	}
}

func in(d time.Duration) time.Time { return time.Now().Add(d) }

var _ = Describe("the level of the log", func() {
	say := func(log *Log) {
		log.Debug("debug")
		log.Info("info")
		log.WithField("region", "eu-west").Debug("eu")
		log.WithField("region", "us-east").Debug("us")
		log.WithField("address", "10.0.0.7:1234").Debug("seven")
		log.WithFields(logrus.Fields{"address": "10.0.0.8", "region": "eu-west", "user": "ada"}).Debug("ada")
		log.Warn("warning")
	}
	It("is that of the settings where no rule is", func() {
		log, said := written()
		say(log)
		Expect(said()).To(Equal([]string{"info", "warning"}))
		log.Levels.SetBase(logrus.WarnLevel)
		say(log)
		Expect(said()).To(Equal([]string{"warning"}))
	})
	It("is another one for the lines that a rule is for, and the others stay", func() {
		log, said := written()
		Expect(log.Levels.Set(Rule{logrus.DebugLevel, Filter{Region: "eu-west"}, in(time.Minute)})).To(Succeed())
		say(log)
		Expect(said()).To(Equal([]string{"info", "eu", "ada", "warning"}))
		Expect(log.Levels.Set(Rule{logrus.DebugLevel, Filter{Address: "10.0.0.7"}, in(time.Minute)})).To(Succeed())
		say(log)
		Expect(said()).To(Equal([]string{"info", "eu", "seven", "ada", "warning"}))
		log.Levels.Clear()
		Expect(log.Levels.Set(Rule{logrus.DebugLevel, Filter{Region: "eu-west", User: "ada"}, in(time.Minute)})).To(Succeed())
		say(log)
		Expect(said()).To(Equal([]string{"info", "ada", "warning"}))
	})
	It("is that of the most talkative rule where several are for a line, and a rule may also show less", func() {
		log, said := written()
		Expect(log.Levels.Set(Rule{logrus.ErrorLevel, Filter{Region: "eu-west"}, in(time.Minute)})).To(Succeed())
		log.WithField("region", "eu-west").Warn("noise")
		say(log)
		Expect(said()).To(Equal([]string{"info", "warning"}))
		Expect(log.Levels.Set(Rule{logrus.DebugLevel, Filter{User: "ada"}, in(time.Minute)})).To(Succeed())
		say(log)
		Expect(said()).To(Equal([]string{"info", "ada", "warning"}))
	})
	It("is another one for all lines where the rule has no filter, and goes back when it is taken back", func() {
		log, said := written()
		Expect(log.Levels.Set(Rule{logrus.DebugLevel, Filter{}, in(time.Minute)})).To(Succeed())
		say(log)
		Expect(said()).To(HaveLen(7))
		Expect(log.Levels.Set(Rule{logrus.ErrorLevel, Filter{}, in(time.Minute)})).To(Succeed())
		say(log)
		Expect(said()).To(BeEmpty())
		_, rules := log.Levels.Rules()
		Expect(rules).To(HaveLen(1), "a rule takes the place of one with the same filter")
		log.Levels.Clear()
		say(log)
		Expect(said()).To(Equal([]string{"info", "warning"}))
	})
	It("lets hooks hear of what is shown", func() {
		log, said := written()
		heard := new(logtest.Hook)
		log.AddHook(log.Levels.Shown(heard))
		Expect(log.Levels.Set(Rule{logrus.DebugLevel, Filter{Region: "eu-west"}, in(time.Minute)})).To(Succeed())
		say(log)
		Expect(heard.AllEntries()).To(HaveLen(len(said())))
		log.Levels.Clear()
	})
	It("has at most 32 rules at a time", func() {
		log, _ := written()
		for i := range maxRules {
			Expect(log.Levels.Set(Rule{logrus.DebugLevel, Filter{User: fmt.Sprint(i)}, in(time.Minute)})).To(Succeed())
		}
		Expect(log.Levels.Set(Rule{logrus.DebugLevel, Filter{User: "one more"}, in(time.Minute)})).To(MatchError(ErrTooManyRules))
		Expect(log.Levels.Set(Rule{logrus.InfoLevel, Filter{User: "7"}, in(time.Minute)})).To(Succeed())
		log.Levels.Clear()
	})
	It("can be changed while many write", func() {
		log, _ := written()
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				for range 200 {
					say(log)
				}
			})
		}
		for i := range 200 {
			Expect(log.Levels.Set(Rule{logrus.DebugLevel, Filter{Region: "eu-west"}, in(time.Minute)})).To(Succeed())
			log.Levels.SetBase(logrus.Level(i%2) + logrus.WarnLevel)
			log.Levels.Clear()
		}
		all.Wait()
	})
})

// A rule ends at its time, and the logger is as quiet as before.
func TestRuleEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		log, said := written()
		g.Expect(log.Levels.Set(Rule{logrus.DebugLevel, Filter{Region: "eu-west"}, in(10 * time.Minute)})).To(Succeed())
		g.Expect(log.Levels.Set(Rule{logrus.DebugLevel, Filter{}, in(time.Minute)})).To(Succeed())
		log.Debug("all")
		time.Sleep(time.Minute)
		synctest.Wait()
		log.Debug("all")
		log.WithField("region", "eu-west").Debug("one")
		g.Expect(said()).To(Equal([]string{"all", "one"}))
		time.Sleep(9 * time.Minute)
		synctest.Wait()
		g.Expect(log.IsLevelEnabled(logrus.DebugLevel)).To(BeFalse())
		_, rules := log.Levels.Rules()
		g.Expect(rules).To(BeEmpty())
	})
}

var _ = Describe("the counter of what went wrong", func() {
	It("counts warnings and errors by part, or else by sentence, and by the class of the error", func() {
		log, _ := written()
		full := fmt.Errorf("write /secret/path: %w", syscall.ENOSPC)
		for range 3 {
			log.WithError(full).Error("rows cannot be archived")
		}
		log.WithError(errors.New("mongodb://user:secret@host")).Warn("rows cannot be archived")
		log.WithFields(logrus.Fields{"part": "redis", "err_class": "TIMEOUT"}).Warn("this text is not kept")
		log.WithField("part", "redis").WithField("err_class", "TIMEOUT").Error("nor is this one")
		log.Info("not counted")
		all := log.Errors.Kinds()
		var seen []string
		for _, k := range all {
			seen = append(seen, fmt.Sprintf("%s|%s|%s|%s|%d", k.Part, k.Message, k.Class, k.Level, k.Count))
			Expect(k.First).To(And(BeTemporally("~", time.Now(), time.Minute), BeTemporally("<=", k.Last)))
		}
		Expect(seen).To(ConsistOf(
			"|rows cannot be archived|DISK_FULL|error|3", "|rows cannot be archived|OTHER|warning|1", "redis||TIMEOUT|error|2"))
		Expect(fmt.Sprintf("%+v", all)).NotTo(ContainSubstring("secret"))
	})
	It("keeps the kinds that were seen last, and of a long sentence the beginning", func() {
		log, _ := written()
		for i := range 3 * maxKinds {
			log.Warn("often")
			log.Warnf("%d %s", i, strings.Repeat("ü", 1000))
		}
		all := log.Errors.Kinds()
		Expect(all).To(HaveLen(maxKinds))
		for _, k := range all {
			Expect(len(k.Message)).To(BeNumerically("<", 210))
			if k.Message == "often" {
				Expect(k.Count).To(BeEquivalentTo(3 * maxKinds))
				return
			}
		}
		Fail("what is seen often was let go")
	})
})

var _ = Describe("the fields of a line", func() {
	It("have the error and its class", func() {
		var out bytes.Buffer
		logger := logrus.New()
		logger.SetOutput(&out)
		logger.SetFormatter(&logrus.JSONFormatter{DisableTimestamp: true})
		log := Wrap(logger)
		log.WithError(fmt.Errorf("write: %w", syscall.ENOSPC)).Info("x")
		Expect(out.String()).To(MatchJSON(`{"level":"info","msg":"x","err":"write: no space left on device","err_class":"DISK_FULL"}`))
		out.Reset()
		log.WithError(syscall.ENOSPC).WithField("err_class", "MINE").Info("x")
		Expect(out.String()).To(ContainSubstring(`"err_class":"MINE"`))
	})
})
