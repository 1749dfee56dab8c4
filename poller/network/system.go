package network

import (
	"bufio"
	"encoding/hex"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// System returns the default gateways and the DNS servers of a Linux machine, on
// the ports 53 and 443, at most MaxWitnesses; nothing elsewhere. Those on loopback
// are left out: they answer whether the network works or not. root is where the
// file system begins, / but in tests.
func System(root string) []string {
	servers := nameservers(filepath.Join(root, "etc/resolv.conf"))
	if len(servers) > 0 && !slices.ContainsFunc(servers, func(a netip.Addr) bool { return !a.IsLoopback() }) {
		// The resolver of systemd stands in front of them.
		servers = nameservers(filepath.Join(root, "run/systemd/resolve/resolv.conf"))
	}
	var addresses []string
	for _, addr := range slices.Concat(gateways4(filepath.Join(root, "proc/net/route")), gateways6(filepath.Join(root, "proc/net/ipv6_route")), servers) {
		if addr.IsLoopback() || addr.IsUnspecified() {
			continue
		}
		for _, port := range []uint16{53, 443} {
			if one := netip.AddrPortFrom(addr, port).String(); !slices.Contains(addresses, one) && len(addresses) < MaxWitnesses {
				addresses = append(addresses, one)
			}
		}
	}
	return addresses
}

// gateways4 reads the default routes of IPv4: columns are interface, destination
// and gateway, addresses in the byte order of the machine, which is little-endian
// wherever this runs.
func gateways4(path string) (all []netip.Addr) {
	for _, f := range lines(path) {
		if len(f) < 3 || f[1] != "00000000" {
			continue
		}
		if b, err := hex.DecodeString(f[2]); err == nil && len(b) == 4 {
			all = append(all, netip.AddrFrom4([4]byte{b[3], b[2], b[1], b[0]}))
		}
	}
	return all
}

// gateways6 reads the default routes of IPv6: the columns are destination and its
// length, source and its length, gateway, and at the end the interface.
func gateways6(path string) (all []netip.Addr) {
	for _, f := range lines(path) {
		if len(f) < 10 || f[1] != "00" || strings.Trim(f[0], "0") != "" {
			continue
		}
		b, err := hex.DecodeString(f[4])
		if err != nil || len(b) != 16 {
			continue
		}
		addr := netip.AddrFrom16([16]byte(b))
		if addr.IsLinkLocalUnicast() {
			addr = addr.WithZone(f[9])
		}
		all = append(all, addr)
	}
	return all
}

// nameservers reads the DNS servers of a resolv.conf.
func nameservers(path string) (all []netip.Addr) {
	for _, f := range lines(path) {
		if len(f) < 2 || f[0] != "nameserver" {
			continue
		}
		if addr, err := netip.ParseAddr(f[1]); err == nil {
			all = append(all, addr.Unmap())
		}
	}
	return all
}

// mostLines bounds what is read of a file: the routes of a router may be many.
const mostLines = 2000

// lines returns the words of each line of a file; nothing where it cannot be read.
func lines(path string) (all [][]string) {
	file, err := os.Open(path) // #nosec G304 -- the paths are those above
	if err != nil {
		return nil
	}
	defer func() { _ = file.Close() }()
	scan := bufio.NewScanner(file)
	for scan.Scan() && len(all) < mostLines {
		all = append(all, strings.Fields(scan.Text()))
	}
	return all
}
