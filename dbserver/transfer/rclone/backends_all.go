//go:build rclone_all

package rclone

import _ "github.com/rclone/rclone/backend/all" // every backend that rclone has

const all = true
