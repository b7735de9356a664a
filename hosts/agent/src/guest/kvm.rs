//! Whether hardware virtualisation works here, found by using it.
//!
//! Problem: `/dev/kvm` proves little. Its owner may not be us, and on a host without nested
//! virtualisation (PVM) KVM exists, answers every ioctl and even boots firmware and a boot sector,
//! by interpreting them a few hundred times too slowly; an ordinary kernel never gets through.
//! Both were seen. Mechanism: the same confined process that a guest would be boots a sector that
//! goes to where a kernel lives (long mode, paging, SSE), counts to two hundred million there and
//! says so on the serial port. A processor needs a tenth of a second, an interpreter minutes.

use super::Place;
use super::confine::{Jail, confine};
use super::process::{Process, readable};
use nix::fcntl::OFlag;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::unistd::pipe2;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(3);
const WORD: &[u8] = b"JY-KVM\n";

/// The boot sector, loaded at 0x7c00. Assembled with GNU as from the text on the right.
#[rustfmt::skip]
const SECTOR: [u8; 150] = [
    0xfa, 0xfc,                               //        cli; cld
    0x66, 0x31, 0xc0,                         //        xor %eax,%eax
    0x8e, 0xd8, 0x8e, 0xc0,                   //        mov %ax,%ds; mov %ax,%es
    0xea, 0x0e, 0x7c, 0x00, 0x00,             //        ljmp $0,$0x7c0e
    0xbf, 0x00, 0x10, 0xb9, 0x00, 0x0c,       //        mov $0x1000,%di; mov $0xc00,%cx
    0x66, 0xf3, 0xab,                         //        rep stosl            # three empty tables
    0xc7, 0x06, 0x00, 0x10, 0x03, 0x20,       //        movw $0x2003,0x1000
    0xc7, 0x06, 0x00, 0x20, 0x03, 0x30,       //        movw $0x3003,0x2000
    0xc7, 0x06, 0x00, 0x30, 0x83, 0x00,       //        movw $0x83,0x3000    # 2 MiB, as they are
    0xb8, 0x00, 0x10, 0x0f, 0x22, 0xd8,       //        mov $0x1000,%ax; mov %eax,%cr3
    0xb8, 0x20, 0x02, 0x0f, 0x22, 0xe0,       //        mov $0x220,%ax; mov %eax,%cr4
    0x66, 0xb9, 0x80, 0x00, 0x00, 0xc0,       //        mov $0xc0000080,%ecx # EFER
    0x0f, 0x32, 0x80, 0xcc, 0x01, 0x0f, 0x30, //        rdmsr; or $1,%ah; wrmsr
    0x0f, 0x01, 0x16, 0x90, 0x7c,             //        lgdtw gdtr
    0x66, 0xb8, 0x03, 0x00, 0x00, 0x80,       //        mov $0x80000003,%eax
    0x0f, 0x22, 0xc0,                         //        mov %eax,%cr0
    0xea, 0x55, 0x7c, 0x08, 0x00,             //        ljmp $8,$0x7c55      # long mode
    0xb9, 0x00, 0xc2, 0xeb, 0x0b,             //        mov $200000000,%ecx
    0xff, 0xc9, 0x75, 0xfc,                   //    1:  dec %ecx; jnz 1b
    0x66, 0x0f, 0xef, 0xc0,                   //        pxor %xmm0,%xmm0
    0x66, 0x0f, 0xfe, 0xc0,                   //        paddd %xmm0,%xmm0
    0xbe, 0x76, 0x7c, 0x00, 0x00,             //        mov $word,%esi
    0x66, 0xba, 0xf8, 0x03, 0xb1, 0x07,       //        mov $0x3f8,%dx; mov $7,%cl
    0xf3, 0x6e,                               //        rep outsb
    0xf4, 0xeb, 0xfd,                         //    2:  hlt; jmp 2b
    b'J', b'Y', b'-', b'K', b'V', b'M', 0x0a, // word:
    0x0f, 0x1f, 0x00,                         //        .balign 8
    0, 0, 0, 0, 0, 0, 0, 0,                   // gdt:
    0, 0, 0, 0, 0, 0x9a, 0x20, 0,             //        64-bit code
    0x0f, 0x00, 0x80, 0x7c, 0x00, 0x00,       // gdtr:  .word 15; .long gdt
];

/// The group that a process needs to open `/dev/kvm`; the reason if none helps.
pub fn group() -> Result<u32, String> {
    let found = std::fs::metadata("/dev/kvm").map_err(|e| format!("/dev/kvm: {e}"))?;
    if found.permissions().mode() & 0o060 != 0o060 || found.gid() == 0 {
        return Err("/dev/kvm is for root alone; give it a group, as udev does (0660 kvm)".into());
    }
    Ok(found.gid())
}

/// Whether guests can run on KVM; the reason if they cannot.
pub fn works(place: &Place) -> Result<(), String> {
    let group = group()?;
    let disk = boot_disk().map_err(|e| format!("the test's disk cannot be made: {e}"))?;
    let (reader, writer) = pipe2(OFlag::O_CLOEXEC).map_err(|e| e.to_string())?;
    let mut command = Command::new(&place.qemu);
    command
        .args(["-name", &format!("jinyun-{}-kvm-test", place.instance)])
        .args([
            "-machine", "q35", "-accel", "kvm", "-cpu", "host", "-m", "32",
        ])
        .args(["-nodefaults", "-no-user-config", "-display", "none"])
        .args(["-sandbox", super::launch::SANDBOX])
        .args(["-add-fd", &format!("fd={},set=1", writer.as_raw_fd())])
        .args([
            "-chardev",
            "file,id=out,path=/dev/fdset/1,append=on",
            "-serial",
            "chardev:out",
        ])
        .args(["-add-fd", &format!("fd={},set=2", disk.as_raw_fd())])
        .args([
            "-drive",
            "if=none,id=disk,format=raw,readonly=on,file=/dev/fdset/2",
        ])
        .args(["-device", "virtio-blk-pci,drive=disk,bootindex=1"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    // Neither the control process (0) nor a maker of disks (1 to 7).
    let mut jail = Jail::new(place.uid_base + 8);
    jail.groups = vec![group];
    jail.keep = vec![writer.as_raw_fd(), disk.as_raw_fd()];
    jail.dies_with_us = true;
    confine(&mut command, jail);
    // Only its process id is used: it is laid to rest through its pidfd.
    #[allow(clippy::zombie_processes)]
    let child = command
        .spawn()
        .map_err(|e| format!("QEMU cannot be started: {e}"))?;
    let process = Process::open(child.id()).map_err(|e| format!("QEMU ended at once: {e}"))?;
    // Now QEMU holds the only writing end, so that its end is the end of the text.
    drop(writer);
    let verdict = wait_for_word(&mut File::from(reader));
    process
        .kill()
        .map_err(|e| format!("the test's QEMU: {e}"))?;
    verdict
}

fn boot_disk() -> std::io::Result<File> {
    let mut disk = File::from(memfd_create(c"jinyun-kvm-test", MFdFlags::MFD_CLOEXEC)?);
    disk.write_all(&SECTOR)?;
    disk.write_all(&[0; 510 - SECTOR.len()])?;
    disk.write_all(&[0x55, 0xaa])?;
    disk.set_len(1 << 20)?;
    // Opened anew: QEMU takes a descriptor for reading only if that is all it can do.
    File::open(format!("/proc/self/fd/{}", disk.as_raw_fd()))
}

fn wait_for_word(reader: &mut File) -> Result<(), String> {
    let until = Instant::now() + PATIENCE;
    let mut said: Vec<u8> = Vec::new();
    while !said.windows(WORD.len()).any(|part| part == WORD) {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() || !readable(reader.as_fd(), Some(left)).map_err(|e| e.to_string())? {
            return Err(
                "KVM does not run code at a processor's speed (nested without support?)".into(),
            );
        }
        let mut part = [0; 256];
        match reader.read(&mut part).map_err(|e| e.to_string())? {
            0 => return Err("QEMU cannot use KVM: it ended at once".into()),
            got => said.extend_from_slice(part.get(..got).unwrap_or_default()),
        }
        // Firmware may say much, but not for ever.
        if said.len() > 1 << 16 {
            return Err("KVM runs something, but not what it was given".into());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sector_says_the_word_where_its_code_looks_for_it() {
        assert_eq!(&SECTOR[0x76..0x7d], WORD);
        assert_eq!(boot_disk().unwrap().metadata().unwrap().len(), 1 << 20);
    }
}
