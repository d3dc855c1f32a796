package getopt

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// These functions return a Flag.Set that stores the value of a common kind of flag.

var errEmpty = errors.New("the value is empty")

// Text stores a value that must not be empty.
func Text(dst *string) func(string) error {
	return func(v string) error {
		if v == "" {
			return errEmpty
		}
		*dst = v
		return nil
	}
}

// On stores true. It is for flags without a value, as are Is and Ignored.
func On(dst *bool) func(string) error { return Is(dst, true) }

// Is stores v.
func Is[T any](dst *T, v T) func(string) error {
	return func(string) error { *dst = v; return nil }
}

// Ignored stores nothing.
func Ignored(string) error { return nil }

// Append appends the value to a list.
func Append(dst *[]string) func(string) error {
	return func(v string) error {
		if v == "" {
			return errEmpty
		}
		*dst = append(*dst, v)
		return nil
	}
}

// Split appends the values between commas to a list.
func Split(dst *[]string) func(string) error {
	return func(v string) error {
		for part := range strings.SplitSeq(v, ",") {
			if err := Append(dst)(part); err != nil {
				return err
			}
		}
		return nil
	}
}

// Number stores a whole number that is at least least.
func Number(dst *int, least int) func(string) error {
	return func(v string) error {
		n, err := strconv.Atoi(v)
		if err != nil {
			return errors.New("not a whole number")
		}
		if n < least {
			return fmt.Errorf("must be at least %d", least)
		}
		*dst = n
		return nil
	}
}

// Duration stores a duration as Go writes it, or a number of seconds.
func Duration(dst *time.Duration) func(string) error {
	return func(v string) error {
		d, err := time.ParseDuration(v)
		if secs, nerr := strconv.ParseUint(v, 10, 31); nerr == nil {
			d, err = time.Duration(secs)*time.Second, nil
		}
		if err != nil || d <= 0 {
			return errors.New(`not a duration such as "30s" or "2m"`)
		}
		*dst = d
		return nil
	}
}

// Choice stores one of a few words.
func Choice[T ~string](dst *T, choices []string) func(string) error {
	return func(v string) error {
		if !slices.Contains(choices, v) {
			return fmt.Errorf("must be one of %s", strings.Join(choices, ", "))
		}
		*dst = T(v)
		return nil
	}
}
