/* SPDX-License-Identifier: MIT */
#ifndef UC_UBLK_ABI_H
#define UC_UBLK_ABI_H

/*
 * What the ublk driver and its users agreed on, as of Linux 7.3: numbers and layouts, under the
 * kernel's names. The legacy opcodes (plain numbers) are left out, since only ioctl-encoded ones
 * are used. tests/abi/check compares this file with the kernel's own header.
 */

#ifdef USER_BLK_DRV_CMD_INC_H
#error "ublk_abi.h replaces <linux/ublk_cmd.h>: include one of them, not both"
#endif

#include <errno.h>
#include <stdint.h>
#include <sys/ioctl.h>

/* Feature bits: dev_info.flags of a device, and what GET_FEATURES says the driver knows. */
#define UBLK_F_SUPPORT_ZERO_COPY      (1ULL << 0)  /* requests can become fixed buffers of a ring */
#define UBLK_F_URING_CMD_COMP_IN_TASK (1ULL << 1)  /* always granted, no effect */
#define UBLK_F_NEED_GET_DATA          (1ULL << 2)  /* a write waits for its address, then copies */
#define UBLK_F_USER_RECOVERY          (1ULL << 3)  /* survives its server; new I/O is queued */
#define UBLK_F_USER_RECOVERY_REISSUE  (1ULL << 4)  /* and I/O under way goes to the next server */
#define UBLK_F_UNPRIVILEGED_DEV       (1ULL << 5)  /* made, served and owned by a plain user */
#define UBLK_F_CMD_IOCTL_ENCODE       (1ULL << 6)  /* takes the opcodes of this file */
#define UBLK_F_USER_COPY              (1ULL << 7)  /* data moves by pread and pwrite on ublkcN */
#define UBLK_F_ZONED                  (1ULL << 8)  /* zoned block device */
#define UBLK_F_USER_RECOVERY_FAIL_IO  (1ULL << 9)  /* survives its server; I/O fails meanwhile */
#define UBLK_F_UPDATE_SIZE            (1ULL << 10) /* UPDATE_SIZE works */
#define UBLK_F_AUTO_BUF_REG           (1ULL << 11) /* driver registers buffers around each I/O */
#define UBLK_F_QUIESCE                (1ULL << 12) /* QUIESCE_DEV works; wants USER_RECOVERY */
#define UBLK_F_PER_IO_DAEMON          (1ULL << 13) /* each tag may have a thread of its own */
#define UBLK_F_BUF_REG_OFF_DAEMON     (1ULL << 14) /* any thread may (un)register buffers */
#define UBLK_F_BATCH_IO               (1ULL << 15) /* batch I/O commands replace per-tag ones */
#define UBLK_F_INTEGRITY              (1ULL << 16) /* requests carry metadata; wants USER_COPY */
#define UBLK_F_SAFE_STOP_DEV          (1ULL << 17) /* TRY_STOP_DEV works */
#define UBLK_F_NO_AUTO_PART_SCAN      (1ULL << 18) /* START_DEV looks for no partitions */
#define UBLK_F_SHMEM_ZC               (1ULL << 19) /* I/O from shared memory known to the driver */
#define UBLK_F_IO_DESC_SIZE           (1ULL << 20) /* io_desc_size is chosen at ADD_DEV */

/* GET_FEATURES: the buffer's exact length in bytes. */
#define UBLK_FEATURES_LEN 8

/* Device states, in dev_info.state. */
#define UBLK_S_DEV_DEAD     0
#define UBLK_S_DEV_LIVE     1
#define UBLK_S_DEV_QUIESCED 2 /* no server; I/O waits */
#define UBLK_S_DEV_FAIL_IO  3 /* no server; I/O fails */

/*
 * A control command, in the 80 byte command area of an SQE128 to /dev/ublk-control. For an
 * unprivileged device, and for GET_DEV_INFO2 on any, the buffer starts with the ublkcN path.
 */
struct ublksrv_ctrl_cmd {
	uint32_t dev_id;
	uint16_t queue_id; /* 0xffff unless the command is about one queue */
	uint16_t len;      /* of the buffer at addr, path and all */
	uint64_t addr;
	uint64_t data[1];
	uint16_t dev_path_len; /* counts the NUL */
	uint16_t pad;
	uint32_t reserved;
};

/*
 * A device. ADD_DEV reads it as wishes and writes back what was granted, which may be less
 * without any error.
 */
struct ublksrv_ctrl_dev_info {
	uint16_t nr_hw_queues;
	uint16_t queue_depth;
	uint16_t state;
	uint16_t io_desc_size; /* 24 to 256, a multiple of 8; drivers without the flag ignore it */
	uint32_t max_io_buf_bytes;
	uint32_t dev_id;     /* all ones at ADD_DEV: any free one */
	int32_t ublksrv_pid; /* -1 also when not visible from here */
	uint32_t pad1;
	uint64_t flags;         /* UBLK_F_* */
	uint64_t ublksrv_flags; /* the server's own; the driver only keeps it */
	uint32_t owner_uid;     /* set by the driver */
	uint32_t owner_gid;
	uint64_t reserved1;
	uint64_t reserved2;
};

/* REG_BUF: memory to be pinned, page-aligned at both ends. */
struct ublk_shmem_buf_reg {
	uint64_t addr;
	uint64_t len;
	uint32_t flags; /* UBLK_SHMEM_BUF_* */
	uint32_t reserved;
};

#define UBLK_SHMEM_BUF_READ_ONLY (1U << 0) /* pin without write access */

/*
 * Control commands. The direction bits are the kernel's, even where they look wrong.
 * The comment says what data[0] holds; REG_BUF returns the index, a quiesce time of 0 is no bound.
 */
#define UBLK_U_CMD_GET_QUEUE_AFFINITY  _IOR('u', 0x01, struct ublksrv_ctrl_cmd)
#define UBLK_U_CMD_GET_DEV_INFO        _IOR('u', 0x02, struct ublksrv_ctrl_cmd)
#define UBLK_U_CMD_ADD_DEV             _IOWR('u', 0x04, struct ublksrv_ctrl_cmd)
#define UBLK_U_CMD_DEL_DEV             _IOWR('u', 0x05, struct ublksrv_ctrl_cmd)
#define UBLK_U_CMD_START_DEV           _IOWR('u', 0x06, struct ublksrv_ctrl_cmd) /* pid */
#define UBLK_U_CMD_STOP_DEV            _IOWR('u', 0x07, struct ublksrv_ctrl_cmd)
#define UBLK_U_CMD_SET_PARAMS          _IOWR('u', 0x08, struct ublksrv_ctrl_cmd)
#define UBLK_U_CMD_GET_PARAMS          _IOR('u', 0x09, struct ublksrv_ctrl_cmd)
#define UBLK_U_CMD_START_USER_RECOVERY _IOWR('u', 0x10, struct ublksrv_ctrl_cmd)
#define UBLK_U_CMD_END_USER_RECOVERY   _IOWR('u', 0x11, struct ublksrv_ctrl_cmd) /* pid */
#define UBLK_U_CMD_GET_DEV_INFO2       _IOR('u', 0x12, struct ublksrv_ctrl_cmd)
#define UBLK_U_CMD_GET_FEATURES        _IOR('u', 0x13, struct ublksrv_ctrl_cmd)
#define UBLK_U_CMD_DEL_DEV_ASYNC       _IOR('u', 0x14, struct ublksrv_ctrl_cmd)
#define UBLK_U_CMD_UPDATE_SIZE         _IOWR('u', 0x15, struct ublksrv_ctrl_cmd) /* sectors */
#define UBLK_U_CMD_QUIESCE_DEV         _IOWR('u', 0x16, struct ublksrv_ctrl_cmd) /* ms */
#define UBLK_U_CMD_TRY_STOP_DEV        _IOWR('u', 0x17, struct ublksrv_ctrl_cmd)
#define UBLK_U_CMD_REG_BUF             _IOWR('u', 0x18, struct ublksrv_ctrl_cmd)
#define UBLK_U_CMD_UNREG_BUF           _IOWR('u', 0x19, struct ublksrv_ctrl_cmd) /* index */

/* Parameters of the disk, for SET_PARAMS before START_DEV. Sectors are of 512 bytes. */
#define UBLK_ATTR_READ_ONLY      (1 << 0)
#define UBLK_ATTR_ROTATIONAL     (1 << 1)
#define UBLK_ATTR_VOLATILE_CACHE (1 << 2)
#define UBLK_ATTR_FUA            (1 << 3) /* only together with VOLATILE_CACHE */

struct ublk_param_basic {
	uint32_t attrs; /* UBLK_ATTR_* */
	uint8_t logical_bs_shift;
	uint8_t physical_bs_shift;
	uint8_t io_opt_shift;
	uint8_t io_min_shift;
	uint32_t max_sectors;
	uint32_t chunk_sectors;
	uint64_t dev_sectors;
	uint64_t virt_boundary_mask;
};

struct ublk_param_discard {
	uint32_t discard_alignment;
	uint32_t discard_granularity; /* bytes, not 0 */
	uint32_t max_discard_sectors;
	uint32_t max_write_zeroes_sectors;
	uint16_t max_discard_segments; /* 1 */
	uint16_t reserved0;
};

/* Device numbers; GET_PARAMS only, the disk's once it is started. */
struct ublk_param_devt {
	uint32_t char_major;
	uint32_t char_minor;
	uint32_t disk_major;
	uint32_t disk_minor;
};

struct ublk_param_zoned {
	uint32_t max_open_zones;
	uint32_t max_active_zones;
	uint32_t max_zone_append_sectors;
	uint8_t reserved[20];
};

struct ublk_param_dma_align {
	uint32_t alignment; /* a mask: 2^n - 1, below a page */
	uint8_t pad[4];
};

#define UBLK_MIN_SEGMENT_SIZE 4096

/* None of the three limits may be 0. */
struct ublk_param_segment {
	uint64_t seg_boundary_mask; /* 2^n - 1, n at least 12 */
	uint32_t max_segment_size;  /* at least UBLK_MIN_SEGMENT_SIZE */
	uint16_t max_segments;
	uint8_t pad[2];
};

struct ublk_param_integrity {
	uint32_t flags;                  /* LBMD_PI_CAP_* of <linux/fs.h> */
	uint16_t max_integrity_segments; /* 0: no limit */
	uint8_t interval_exp;
	uint8_t metadata_size; /* not 0 */
	uint8_t pi_offset;
	uint8_t csum_type; /* LBMD_PI_CSUM_* of <linux/fs.h> */
	uint8_t tag_size;
	uint8_t pad[5];
};

#define UBLK_PARAM_TYPE_BASIC     (1 << 0)
#define UBLK_PARAM_TYPE_DISCARD   (1 << 1)
#define UBLK_PARAM_TYPE_DEVT      (1 << 2)
#define UBLK_PARAM_TYPE_ZONED     (1 << 3)
#define UBLK_PARAM_TYPE_DMA_ALIGN (1 << 4)
#define UBLK_PARAM_TYPE_SEGMENT   (1 << 5)
#define UBLK_PARAM_TYPE_INTEGRITY (1 << 6) /* wants UBLK_F_INTEGRITY */

/* len goes in with GET_PARAMS as well; an older driver knows fewer types and a shorter struct. */
struct ublk_params {
	uint32_t len;
	uint32_t types; /* UBLK_PARAM_TYPE_*: which parts are valid */
	struct ublk_param_basic basic;
	struct ublk_param_discard discard;
	struct ublk_param_devt devt;
	struct ublk_param_zoned zoned;
	struct ublk_param_dma_align dma;
	struct ublk_param_segment seg;
	struct ublk_param_integrity integrity;
};

/* What a request asks for: bits 0 to 7 of op_flags. */
#define UBLK_IO_OP_READ           0
#define UBLK_IO_OP_WRITE          1
#define UBLK_IO_OP_FLUSH          2
#define UBLK_IO_OP_DISCARD        3
#define UBLK_IO_OP_WRITE_SAME     4
#define UBLK_IO_OP_WRITE_ZEROES   5
#define UBLK_IO_OP_ZONE_OPEN      10
#define UBLK_IO_OP_ZONE_CLOSE     11
#define UBLK_IO_OP_ZONE_FINISH    12
#define UBLK_IO_OP_ZONE_APPEND    13
#define UBLK_IO_OP_ZONE_RESET_ALL 14
#define UBLK_IO_OP_ZONE_RESET     15
#define UBLK_IO_OP_REPORT_ZONES   18 /* the data: struct blk_zone[] */

/* Flags of a request: masks for op_flags as it stands, not for a shifted copy of it. */
#define UBLK_IO_F_FAILFAST_DEV       (1U << 8)
#define UBLK_IO_F_FAILFAST_TRANSPORT (1U << 9)
#define UBLK_IO_F_FAILFAST_DRIVER    (1U << 10)
#define UBLK_IO_F_META               (1U << 11)
#define UBLK_IO_F_FUA                (1U << 13)
#define UBLK_IO_F_NOUNMAP            (1U << 15)
#define UBLK_IO_F_SWAP               (1U << 16)
#define UBLK_IO_F_NEED_REG_BUF       (1U << 17) /* auto registration failed: register it yourself */
#define UBLK_IO_F_INTEGRITY          (1U << 18) /* has metadata */
#define UBLK_IO_F_SHMEM_ZC           (1U << 19) /* addr is a ublk_shmem_zc_addr() */

/* A request, in the descriptor area mapped from ublkcN, at its tag. Valid until committed. */
struct ublksrv_io_desc {
	uint32_t op_flags;
	union {
		uint32_t nr_sectors;
		uint32_t nr_zones; /* REPORT_ZONES: room for so many */
	};
	uint64_t start_sector;
	uint64_t addr; /* of the data, as the server gave it */
};

static inline uint8_t ublksrv_get_op(const struct ublksrv_io_desc *iod)
{
	return (uint8_t)(iod->op_flags & 0xff);
}

/* Shared memory I/O: where in which REG_BUF buffer the data is. */
#define UBLK_SHMEM_ZC_OFF_MASK 0xffffffffULL
#define UBLK_SHMEM_ZC_IDX_OFF  32
#define UBLK_SHMEM_ZC_IDX_MASK 0xffffULL

static inline uint64_t ublk_shmem_zc_addr(uint16_t index, uint32_t offset)
{
	return ((uint64_t)index << UBLK_SHMEM_ZC_IDX_OFF) | offset;
}

static inline uint16_t ublk_shmem_zc_index(uint64_t addr)
{
	return (uint16_t)((addr >> UBLK_SHMEM_ZC_IDX_OFF) & UBLK_SHMEM_ZC_IDX_MASK);
}

static inline uint32_t ublk_shmem_zc_offset(uint64_t addr)
{
	return (uint32_t)(addr & UBLK_SHMEM_ZC_OFF_MASK);
}

/* A per-tag I/O command, in the 16 byte command area of a plain SQE to ublkcN. */
struct ublksrv_io_cmd {
	uint16_t q_id;
	uint16_t tag;
	int32_t result; /* of a commit: bytes done, or a negative errno */
	union {
		uint64_t addr;            /* buffer; for (UN)REGISTER_IO_BUF its table index */
		uint64_t zone_append_lba; /* of a committed ZONE_APPEND: where it landed */
	};
};

#define UBLK_U_IO_FETCH_REQ            _IOWR('u', 0x20, struct ublksrv_io_cmd)
#define UBLK_U_IO_COMMIT_AND_FETCH_REQ _IOWR('u', 0x21, struct ublksrv_io_cmd)
#define UBLK_U_IO_NEED_GET_DATA        _IOWR('u', 0x22, struct ublksrv_io_cmd)
#define UBLK_U_IO_REGISTER_IO_BUF      _IOWR('u', 0x23, struct ublksrv_io_cmd)
#define UBLK_U_IO_UNREGISTER_IO_BUF    _IOWR('u', 0x24, struct ublksrv_io_cmd)

/* How a fetch ends. Other negative results are failures of the command itself. */
#define UBLK_IO_RES_OK            0 /* a request is there */
#define UBLK_IO_RES_NEED_GET_DATA 1 /* a write is there; ask for its data before the commit */
#define UBLK_IO_RES_ABORT         (-ENODEV) /* the device goes away: do not fetch again */

/*
 * A batch I/O command, in the same 16 bytes. PREP and COMMIT take nr_elem elements of elem_bytes
 * at sqe->addr: a header, then the optional words in the order of buffer address, zone LBA.
 * COMMIT returns the bytes it took, which may be fewer. FETCH is multishot and fills a provided
 * buffer with 16-bit tags: elem_bytes 2, flags 0.
 */
struct ublk_batch_io {
	uint16_t q_id;
	uint16_t flags; /* UBLK_BATCH_F_* */
	uint16_t nr_elem;
	uint8_t elem_bytes; /* 8, and 8 for each optional word */
	uint8_t reserved;
	uint64_t reserved2;
};

#define UBLK_BATCH_F_HAS_ZONE_LBA          (1 << 0)
#define UBLK_BATCH_F_HAS_BUF_ADDR          (1 << 1)
#define UBLK_BATCH_F_AUTO_BUF_REG_FALLBACK (1 << 2) /* excludes HAS_BUF_ADDR */

struct ublk_elem_header {
	uint16_t tag;
	uint16_t buf_index; /* with AUTO_BUF_REG: where to register the next request */
	int32_t result;     /* COMMIT only */
};

#define UBLK_U_IO_PREP_IO_CMDS   _IOWR('u', 0x25, struct ublk_batch_io)
#define UBLK_U_IO_COMMIT_IO_CMDS _IOWR('u', 0x26, struct ublk_batch_io)
#define UBLK_U_IO_FETCH_IO_CMDS  _IOWR('u', 0x27, struct ublk_batch_io)

/* Auto registration: sqe->addr of FETCH and COMMIT says where the next request goes. */
#define UBLK_AUTO_BUF_REG_FALLBACK (1 << 0) /* on failure set NEED_REG_BUF, do not fail the I/O */
#define UBLK_AUTO_BUF_REG_F_MASK   UBLK_AUTO_BUF_REG_FALLBACK

struct ublk_auto_buf_reg {
	uint16_t index; /* in the ring's sparse buffer table */
	uint8_t flags;  /* UBLK_AUTO_BUF_REG_* */
	uint8_t reserved0;
	uint32_t reserved1;
};

static inline struct ublk_auto_buf_reg ublk_sqe_addr_to_auto_buf_reg(uint64_t sqe_addr)
{
	return (struct ublk_auto_buf_reg){
		.index = (uint16_t)sqe_addr,
		.flags = (uint8_t)(sqe_addr >> 16),
		.reserved0 = (uint8_t)(sqe_addr >> 24),
		.reserved1 = (uint32_t)(sqe_addr >> 32),
	};
}

static inline uint64_t ublk_auto_buf_reg_to_sqe_addr(const struct ublk_auto_buf_reg *buf)
{
	return buf->index | (uint64_t)buf->flags << 16 | (uint64_t)buf->reserved0 << 24 |
	       (uint64_t)buf->reserved1 << 32;
}

/* Places in ublkcN: descriptors to map, and request data for user copy. */
#define UBLKSRV_CMD_BUF_OFFSET 0
#define UBLKSRV_IO_BUF_OFFSET  0x80000000
#define UBLK_MAX_QUEUE_DEPTH   4096 /* and the stride of queues in the descriptor area */

/* A user-copy position, less UBLKSRV_IO_BUF_OFFSET: byte in the request, tag, queue. */
#define UBLK_IO_BUF_OFF           0
#define UBLK_IO_BUF_BITS          25
#define UBLK_IO_BUF_BITS_MASK     ((1ULL << UBLK_IO_BUF_BITS) - 1)
#define UBLK_TAG_OFF              UBLK_IO_BUF_BITS
#define UBLK_TAG_BITS             16
#define UBLK_TAG_BITS_MASK        ((1ULL << UBLK_TAG_BITS) - 1)
#define UBLK_QID_OFF              (UBLK_TAG_OFF + UBLK_TAG_BITS)
#define UBLK_QID_BITS             12
#define UBLK_QID_BITS_MASK        ((1ULL << UBLK_QID_BITS) - 1)
#define UBLK_MAX_NR_QUEUES        (1U << UBLK_QID_BITS)
#define UBLKSRV_IO_BUF_TOTAL_BITS (UBLK_QID_OFF + UBLK_QID_BITS)
#define UBLKSRV_IO_BUF_TOTAL_SIZE (1ULL << UBLKSRV_IO_BUF_TOTAL_BITS)
#define UBLK_INTEGRITY_FLAG_OFF   62
#define UBLKSRV_IO_INTEGRITY_FLAG (1ULL << UBLK_INTEGRITY_FLAG_OFF) /* the metadata instead */

/* The position of a request's first byte; add the offset in it, below 1 << UBLK_IO_BUF_BITS. */
static inline uint64_t ublk_user_copy_offset(uint16_t q_id, uint16_t tag)
{
	return UBLKSRV_IO_BUF_OFFSET +
	       ((uint64_t)q_id << UBLK_QID_OFF | (uint64_t)tag << UBLK_TAG_OFF);
}

#endif
