//! Who answers for what under IaaS, PaaS and SaaS.
//!
//! The guide puts one shared layer into each category, the provider below it and the user above it.
//! Together the rows cover every element, as it demands: there is no cell without an owner.

use crate::words::{Party, Service};

use Party::{Provider, Shared, Tenant};

/// A layer and who answers for it.
pub struct Layer {
    /// Its code in JSON.
    pub code: &'static str,
    /// In Chinese.
    pub zh: &'static str,
    /// In English.
    pub en: &'static str,
    /// Under IaaS, PaaS and SaaS.
    pub parties: [Party; 3],
    /// The clauses it comes from.
    pub cites: &'static [&'static str],
}

impl Layer {
    /// Who answers for it under this category.
    pub fn party(&self, service: Service) -> Party {
        let [iaas, paas, saas] = self.parties;
        match service {
            Service::Iaas => iaas,
            Service::Paas => paas,
            Service::Saas => saas,
        }
    }
}

/// All layers, from the ground up.
pub const LAYERS: &[Layer] = &[
    Layer {
        code: "facility",
        zh: "机房设施：供电、空调、消防、通信",
        en: "Facility: power, cooling, fire protection, telecommunication",
        parties: [Provider, Provider, Provider],
        cites: &["GD-S4", "6.1-B-1"],
    },
    Layer {
        code: "hardware",
        zh: "硬件：服务器、网络与安全设备",
        en: "Hardware: servers, network and security devices",
        parties: [Provider, Provider, Provider],
        cites: &["GD-S4"],
    },
    Layer {
        code: "abstraction",
        zh: "资源抽象与控制：虚拟机监视器、云管理平台、平台边界",
        en: "Abstraction and control: hypervisor, cloud management, the platform's boundary",
        parties: [Provider, Provider, Provider],
        cites: &["GD-S4", "GD-S8", "5.2-0-2"],
    },
    Layer {
        code: "virtual",
        zh: "虚拟计算资源：虚拟机、虚拟网络、卷及其规则",
        en: "Virtual resources: servers, networks, volumes and their rules",
        parties: [Shared, Provider, Provider],
        cites: &["GD-S8", "7.2.3-E-b"],
    },
    Layer {
        code: "platform",
        zh: "软件平台：操作系统、数据库、中间件、运行环境",
        en: "Software platform: operating system, databases, middleware, runtime",
        parties: [Tenant, Shared, Provider],
        cites: &["GD-S5", "GD-S7", "GD-S6"],
    },
    Layer {
        code: "application",
        zh: "应用软件：配置加固、升级维护、代码审计与渗透测试",
        en: "Application: hardening, upgrades, code audit and penetration tests",
        parties: [Tenant, Tenant, Shared],
        cites: &["GD-S5", "GD-S7", "GD-S6"],
    },
    Layer {
        code: "data",
        zh: "业务数据：分类、加密、备份、授权",
        en: "Business data: grading, encryption, backup, access",
        parties: [Tenant, Tenant, Shared],
        cites: &["GD-S5", "9.1-B-a", "9.3-B-b", "9.4-B-1"],
    },
    Layer {
        code: "audit",
        zh: "审计：各审各控制的部分",
        en: "Audit: each side of the part that it controls",
        parties: [Shared, Shared, Shared],
        cites: &["7.2.4-E-a", "7.4.3-E-a", "7.3-E-g"],
    },
    Layer {
        code: "final",
        zh: "最终责任与监督",
        en: "Final responsibility and supervision",
        parties: [Tenant, Tenant, Tenant],
        cites: &["GD-B1", "5.2-0-2", "GD-N10"],
    },
];
