#!/bin/busybox sh
# First process of a guest: load what reaches the files outside, build the root from them, hand over to the job.
# The kernel passes release=<kernel> modules=<its folder> headers=<its folder or nothing>
# btf=<hidden or nothing> as environment.
set -e # where the first process ends the kernel panics, and QEMU ends with it
busybox=/bin/busybox
for module in $($busybox cat /modules/order); do $busybox insmod "/modules/$module"; done
$busybox mkdir -p /outside /layer /root
$busybox mount -t virtiofs -o ro root /outside
$busybox mount -t tmpfs layer /layer
$busybox mkdir /layer/upper /layer/work
$busybox mount -t overlay -o lowerdir=/outside,upperdir=/layer/upper,workdir=/layer/work root /root
cd /root
$busybox mount -t devtmpfs dev dev
$busybox mkdir -p dev/pts dev/shm
$busybox mount -t devpts devpts dev/pts
$busybox mount -t tmpfs shm dev/shm
$busybox mount -t proc proc proc
$busybox mount -t sysfs sys sys
$busybox mount -t tmpfs run run
$busybox mount -t cgroup2 cgroup sys/fs/cgroup
$busybox mount -t bpf bpf sys/fs/bpf
$busybox mount -t debugfs debug sys/kernel/debug
$busybox mount -t tracefs trace sys/kernel/tracing
[ "$btf" = hidden ] && $busybox mount -t tmpfs none sys/kernel/btf
$busybox mkdir -p run/job run/netns run/lock "lib/modules/$release"
$busybox mount -t virtiofs job run/job
$busybox mount --bind "/root$modules" "lib/modules/$release"
if [ -n "$headers" ]; then
    $busybox mount --bind "/root$headers" usr/src
    $busybox mount -t tmpfs none boot # nothing of the machine's own kernel
fi
echo "1 4 1 7" >proc/sys/kernel/printk
$busybox ip link set lo up
$busybox hostname guest
# The new root must be the kernel's own idea of one too, as it starts modprobe there.
exec $busybox switch_root /root /bin/sh /run/job/main
