// Package digest keeps how values are distributed, in buckets whose bounds grow
// by a constant factor: a quantile is right within 2 % of the value, whatever
// the values are, and digests of parts merge into the digest of the whole
// without a further error. The buckets are those of DDSketch.
package digest

import (
	"errors"
	"fmt"
	"math"

	"github.com/DataDog/sketches-go/ddsketch/encoding"
	"github.com/DataDog/sketches-go/ddsketch/mapping"
	sketch "github.com/DataDog/sketches-go/ddsketch/store"
)

const (
	// Accuracy is the largest error of a quantile, relative to its value.
	Accuracy = 0.02
	// maxBuckets bounds the buckets of the values above zero, and of those below
	// it. They span 35 powers of ten; what is nearer to zero than that, below the
	// largest value, falls into one bucket.
	maxBuckets = 2048
	// maxWeight bounds one weight: sums of many stay numbers.
	maxWeight = 1e300
)

// errDamaged is what MergeBinary wraps.
var errDamaged = errors.New("a damaged digest")

// Digest is a distribution of weighted values. New makes one; it is not for
// several goroutines at once.
type Digest struct {
	buckets     *mapping.LogarithmicMapping
	above       *sketch.CollapsingLowestDenseStore
	below       *sketch.CollapsingLowestDenseStore // by absolute value
	zero        float64
	least, most int // the bounds of a bucket's number
}

// New returns an empty Digest.
func New() *Digest {
	buckets, _ := mapping.NewLogarithmicMapping(Accuracy) // fails for other accuracies only
	return &Digest{
		buckets: buckets,
		above:   sketch.NewCollapsingLowestDenseStore(maxBuckets),
		below:   sketch.NewCollapsingLowestDenseStore(maxBuckets),
		least:   buckets.Index(buckets.MinIndexableValue()),
		most:    buckets.Index(buckets.MaxIndexableValue()),
	}
}

// Add counts a value with a weight, for example the time for which it held. What
// is not a finite number, and a weight that is not positive, is ignored.
func (d *Digest) Add(value, weight float64) {
	if math.IsNaN(value) || math.IsInf(value, 0) || !(weight > 0) || weight > maxWeight {
		return
	}
	switch size := min(math.Abs(value), d.buckets.MaxIndexableValue()); {
	case size < d.buckets.MinIndexableValue():
		d.zero += weight
	case value > 0:
		d.above.AddWithCount(d.buckets.Index(size), weight)
	default:
		d.below.AddWithCount(d.buckets.Index(size), weight)
	}
}

// Weight returns the sum of all weights.
func (d *Digest) Weight() float64 { return d.zero + d.above.TotalCount() + d.below.TotalCount() }

// Quantile returns the least value below or at which the share q of the weight
// lies, within Accuracy; q is taken as within 0 and 1. NaN where nothing was
// added.
func (d *Digest) Quantile(q float64) float64 {
	below, all := d.below.TotalCount(), d.Weight()
	if all == 0 || math.IsNaN(q) {
		return math.NaN()
	}
	rank := max(0, min(q, 1)) * all
	switch {
	case below > 0 && (rank <= below || below == all):
		// The values below zero are kept by their size: the order is the other
		// one. The weight that is nearer to zero than the rank is left over.
		return -d.buckets.Value(d.below.KeyAtRank(below - max(rank, math.SmallestNonzeroFloat64)))
	case d.zero > 0 && (rank <= below+d.zero || below+d.zero == all):
		return 0
	}
	return d.buckets.Value(d.above.KeyAtRank(math.Nextafter(rank-below-d.zero, math.Inf(-1))))
}

// Merge adds what another digest holds.
func (d *Digest) Merge(other *Digest) {
	d.above.MergeWith(other.above)
	d.below.MergeWith(other.below)
	d.zero += other.zero
}

// Reset empties the digest; its memory is used again.
func (d *Digest) Reset() {
	d.above.Clear()
	d.below.Clear()
	d.zero = 0
}

// AppendBinary implements encoding.BinaryAppender. The same distribution has the
// same bytes. The error is always nil.
func (d *Digest) AppendBinary(b []byte) ([]byte, error) {
	if d.zero > 0 {
		encoding.EncodeFlag(&b, encoding.FlagZeroCountVarFloat)
		encoding.EncodeVarfloat64(&b, d.zero)
	}
	d.above.Encode(&b, encoding.FlagTypePositiveStore)
	d.below.Encode(&b, encoding.FlagTypeNegativeStore)
	return b, nil
}

// MergeBinary adds what the bytes of a digest hold, without making one of them.
// Of damaged bytes it may have added a part when it returns the error.
func (d *Digest) MergeBinary(b []byte) error {
	if err := d.mergeBinary(b); err != nil {
		return fmt.Errorf("%w of %d bytes: %w", errDamaged, len(b), err)
	}
	return nil
}

func (d *Digest) mergeBinary(b []byte) error {
	for len(b) > 0 {
		flag, err := encoding.DecodeFlag(&b)
		if err != nil {
			return err
		}
		switch {
		case flag == encoding.FlagZeroCountVarFloat:
			var weight float64
			if weight, err = decodeWeight(&b); err == nil {
				d.zero += weight
			}
		case flag.Type() == encoding.FlagTypePositiveStore:
			err = d.mergeBuckets(&b, d.above, flag.SubFlag())
		case flag.Type() == encoding.FlagTypeNegativeStore:
			err = d.mergeBuckets(&b, d.below, flag.SubFlag())
		default:
			err = errors.New("a part of an unknown kind")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// mergeBuckets reads the buckets of one side. The library's own reader trusts
// its bytes: it takes any number of buckets, wherever they lie.
func (d *Digest) mergeBuckets(b *[]byte, into *sketch.CollapsingLowestDenseStore, kind encoding.SubFlag) error {
	n, err := encoding.DecodeUvarint64(b)
	if err != nil {
		return err
	}
	if n > maxBuckets {
		return fmt.Errorf("%d buckets: there are up to %d", n, maxBuckets)
	}
	var index, step int64
	dense := kind == encoding.BinEncodingContiguousCounts
	if dense {
		if index, err = encoding.DecodeVarint64(b); err != nil {
			return err
		}
		if step, err = encoding.DecodeVarint64(b); err != nil {
			return err
		}
		if step != 1 {
			return fmt.Errorf("buckets %d apart", step)
		}
	} else if kind != encoding.BinEncodingIndexDeltasAndCounts {
		return errors.New("buckets of an unknown kind")
	}
	for range n {
		if !dense {
			if step, err = encoding.DecodeVarint64(b); err != nil {
				return err
			}
			index += step
		}
		if index < int64(d.least) || index > int64(d.most) {
			return fmt.Errorf("a bucket of number %d", index)
		}
		weight, err := decodeWeight(b)
		if err != nil {
			return err
		}
		into.AddWithCount(int(index), weight)
		if dense {
			index++
		}
	}
	return nil
}

func decodeWeight(b *[]byte) (float64, error) {
	weight, err := encoding.DecodeVarfloat64(b)
	if err == nil && !(weight >= 0 && weight <= maxWeight) {
		err = fmt.Errorf("a weight of %g", weight)
	}
	return weight, err
}

// Scale multiplies all weights by a factor above zero.
func (d *Digest) Scale(factor float64) {
	if !(factor > 0) {
		return
	}
	_ = d.above.Reweight(factor) // fails for other factors only
	_ = d.below.Reweight(factor)
	d.zero *= factor
}
