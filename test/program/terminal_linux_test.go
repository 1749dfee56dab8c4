package program

import (
	"fmt"
	"os"
	"syscall"

	"github.com/devops-insights/devops-insights/test/binary"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"
)

// terminal opens a terminal; its end for a program hangs up when master is closed.
func terminal() (master, end *os.File) {
	GinkgoHelper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { _ = master.Close() }) // the spec may have done so
	Expect(unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)).To(Succeed())
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	Expect(err).NotTo(HaveOccurred())
	end, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(end.Close)
	return master, end
}

var _ = Describe("a server that is started at a terminal", func() {
	const again = "the settings were loaded again"

	It("loads its settings again on SIGHUP while the terminal is there, and ends in order when it hangs up", func() {
		master, end := terminal()
		port, log := freePort(), new(binary.Output)
		cmd := command(nil, "SERVER_PORT="+port, "LOG_FORMAT=json")
		cmd.Stdin, cmd.Stdout, cmd.Stderr = end, log, log
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
		start(cmd)
		ready("127.0.0.1:" + port)
		Expect(cmd.Process.Signal(syscall.SIGHUP)).To(Succeed())
		Eventually(func() int { return len(lines(log.String(), again)) }, "20s").Should(Equal(1))
		Expect(master.Close()).To(Succeed())
		await(cmd, "20s")
		Expect(cmd.ProcessState.ExitCode()).To(BeZero(), log.String())
		Expect(lines(log.String(), `"msg":"stopped"`)).To(HaveLen(1))
	})

	It("outlives the terminal with nohup", func() {
		master, end := terminal()
		port, log := freePort(), new(binary.Output)
		cmd := command(nil, "SERVER_PORT="+port, "LOG_FORMAT=json")
		cmd.Path, cmd.Args = "/bin/sh", []string{"sh", "-c", `trap "" HUP; exec "$0"`, program}
		cmd.Stdin, cmd.Stdout, cmd.Stderr = end, log, log
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
		start(cmd)
		ready("127.0.0.1:" + port)
		Expect(master.Close()).To(Succeed())
		Eventually(func() int { return len(lines(log.String(), again)) }, "20s").Should(Equal(1), "the hangup has come")
		ready("127.0.0.1:" + port)
		stop(cmd, "20s")
	})
})
