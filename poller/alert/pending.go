//go:build pending

package alert

import (
	_ "github.com/adhocore/gronx"
)
