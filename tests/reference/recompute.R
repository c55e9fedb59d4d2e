# Expected numbers of tests/reference/r_owned.json, from R: `make reference`.
# Needs R with survival, pROC, riskRegression, cmprsk, rms, Hmisc, mice, jsonlite (Debian: r-base-core r-cran-survival
# r-cran-proc r-cran-riskregression r-cran-cmprsk r-cran-rms r-cran-hmisc r-cran-mice r-cran-jsonlite).
# Usage: Rscript recompute.R INPUTS_FOLDER OUTPUT.json
suppressPackageStartupMessages({
  library(survival); library(pROC); library(riskRegression); library(cmprsk)
  library(rms); library(Hmisc); library(mice); library(jsonlite)
})
arguments <- commandArgs(trailingOnly = TRUE)
folder <- arguments[1]
table <- function(name) read.csv(file.path(folder, paste0(name, ".csv")))
values <- list()

# conditional logistic regression ------------------------------------------------------------------
fit_sets <- function(data) {
  fit <- clogit(case ~ x1 + x2 + strata(set), data = data, method = "exact",
                control = coxph.control(eps = 1e-13, toler.chol = 1e-14, iter.max = 50))
  s <- summary(fit)
  list(coefficients = unname(coef(fit)), covariance = unname(vcov(fit)), loglik = fit$loglik,
       lr = unname(s$logtest[1]), score = unname(s$sctest[1]))
}
m1 <- table("one_to_many"); mn <- table("many_to_many")
values$clogit_one_to_many <- fit_sets(m1)
values$clogit_many_to_many <- fit_sets(mn)
robust <- coxph(Surv(rep(1, nrow(m1)), case) ~ x1 + x2 + strata(set), data = m1, cluster = set, ties = "breslow",
                control = coxph.control(eps = 1e-13, toler.chol = 1e-14, iter.max = 50))
values$clogit_robust_by_set <- unname(vcov(robust))
by_type <- lapply(c("interval", "screen"), function(kind) fit_sets(m1[m1$type == kind, ]))
values$clogit_by_type <- setNames(by_type, c("interval", "screen"))
# R's concordance pools pairs; its variance by set counts each pair twice in each set.
pooled <- concordance(case ~ score + strata(set), data = m1, cluster = set)
values$pooled_concordance <- list(value = unname(pooled$concordance), variance_over_4 = pooled$var / 4)

# area under the curve ---------------------------------------------------------------------------------
b <- table("binary")
a1 <- roc(b$case, b$score_a, direction = "<", quiet = TRUE)
a2 <- roc(b$case, b$score_b, direction = "<", quiet = TRUE)
test <- roc.test(a1, a2, method = "delong", paired = TRUE)
values$auc <- list(a = as.numeric(auc(a1)), b = as.numeric(auc(a2)), var_a = var(a1), var_b = var(a2),
                   cov = cov(a1, a2), z = unname(test$statistic), p = test$p.value)

# survival -----------------------------------------------------------------------------------------
f <- table("follow_up")
times <- c(2, 4, 6)
any <- survfit(Surv(time, event > 0) ~ 1, data = f)
s <- summary(any, times = times)
values$kaplan_meier <- list(survival = s$surv, se = s$std.err, lower = s$lower, upper = s$upper)
aj <- survfit(Surv(time, factor(event, 0:2, c("censored", "cancer", "death"))) ~ 1, data = f)
s <- summary(aj, times = times)
values$aalen_johansen <- list(incidence = unname(s$pstate), se = unname(s$std.err))
ci <- cuminc(f$time, f$event)
values$cuminc <- unname(timepoints(ci, times)$est)
surv <- Surv(f$time, f$event == 1)
h <- concordance(surv ~ score, data = f, reverse = TRUE)
values$harrell <- list(value = h$concordance, se = sqrt(h$var), count = as.list(h$count))
h4 <- concordance(surv ~ score, data = f, reverse = TRUE, ymax = 4)
values$harrell_4 <- list(value = h4$concordance, se = sqrt(h4$var))
hc <- concordance(surv ~ score, data = f, reverse = TRUE, cluster = f$woman)
values$harrell_by_woman <- list(value = hc$concordance, se = sqrt(hc$var))
# Uno: censorings only (R's own G of cause 1 takes competing events as censorings), so on the event of any cause.
both <- Surv(f$time, f$event > 0)
u <- concordance(both ~ score, data = f, reverse = TRUE, timewt = "n/G2")
u4 <- concordance(both ~ score, data = f, reverse = TRUE, timewt = "n/G2", ymax = 4)
values$uno_any <- list(value = u$concordance, se = sqrt(u$var), value_4 = u4$concordance, se_4 = sqrt(u4$var))
score <- Score(list(m1 = as.matrix(f[, c("risk_2", "risk_4", "risk_6")]), m2 = as.matrix(f[, c("other_2", "other_4", "other_6")])),
               formula = Surv(time, event > 0) ~ 1, data = transform(f, any = event > 0), times = times,
               metrics = c("auc", "brier"), summary = "ipa", null.model = TRUE, conf.int = TRUE, cens.model = "km")
values$score <- list(auc = as.data.frame(score$AUC$score), brier = as.data.frame(score$Brier$score),
                     auc_difference = as.data.frame(score$AUC$contrasts))
cr <- Score(list(m1 = as.matrix(f[, c("risk_2", "risk_4", "risk_6")])), formula = Hist(time, event) ~ 1, data = f,
            times = times, metrics = c("auc", "brier"), summary = "ipa", null.model = TRUE, conf.int = TRUE, cens.model = "km",
            cause = 1)
values$score_competing <- list(auc = as.data.frame(cr$AUC$score), brier = as.data.frame(cr$Brier$score))

# proportional hazards -----------------------------------------------------------------------------
tight <- coxph.control(eps = 1e-13, toler.chol = 1e-14, iter.max = 50)
one <- function(fit) list(coefficients = unname(coef(fit)), covariance = unname(vcov(fit)), loglik = fit$loglik)
values$cox_efron <- one(coxph(Surv(time, event == 1) ~ x1 + x2, data = f, control = tight))
values$cox_breslow <- one(coxph(Surv(time, event == 1) ~ x1 + x2, data = f, ties = "breslow", control = tight))
values$cox_by_woman <- one(coxph(Surv(time, event == 1) ~ x1 + x2, data = f, cluster = woman, control = tight))
fg <- finegray(Surv(time, factor(event, 0:2, c("censored", "cancer", "death"))) ~ x1 + x2, data = f, etype = "cancer")
values$fine_gray <- one(coxph(Surv(fgstart, fgstop, fgstatus) ~ x1 + x2, weight = fgwt, data = fg, control = tight))

# calibration ------------------------------------------------------------------------------------------
lp <- qlogis(b$risk)
line <- glm(case ~ lp, family = binomial, data = b, control = glm.control(epsilon = 1e-14, maxit = 50))
large <- glm(case ~ offset(lp), family = binomial, data = b, control = glm.control(epsilon = 1e-14, maxit = 50))
values$calibration_line <- list(coefficients = unname(coef(line)), se = unname(sqrt(diag(vcov(line)))),
                                in_the_large = unname(coef(large)), in_the_large_se = unname(sqrt(diag(vcov(large)))))
smooth <- loess(case ~ risk, data = b, span = 0.75, degree = 2, surface = "direct")
away <- abs(fitted(smooth) - b$risk)
values$ici <- list(ici = mean(away), e50 = median(away), e90 = unname(quantile(away, 0.9)), emax = max(away),
                   fitted = unname(fitted(smooth))[1:10])
flat <- lowess(b$risk, b$case, iter = 0, delta = 0)
values$lowess <- list(x = flat$x[c(1, 100, 200, 300, 400)], y = flat$y[c(1, 100, 200, 300, 400)])
v <- suppressWarnings(val.prob(b$risk, b$case, pl = FALSE))
values$val_prob <- as.list(v)
oe <- poisson.test(sum(b$case), sum(b$risk))
values$observed_expected <- list(value = unname(oe$estimate), lower = oe$conf.int[1], upper = oe$conf.int[2])
ip <- improveProb(b$risk, b$other, b$case)
values$reclassification <- list(nri = ip$nri, nri_se = ip$se.nri, idi = ip$idi, idi_se = ip$se.idi)

# proportions, pooling ----------------------------------------------------------------------------------
wilson <- prop.test(37, 211, correct = FALSE)
exact <- binom.test(37, 211)
values$proportions <- list(wilson = as.numeric(wilson$conf.int), exact = as.numeric(exact$conf.int))
two <- base::table(b$reader_a, b$reader_b)
values$mcnemar <- list(only_a = two[2, 1], only_b = two[1, 2], statistic = unname(mcnemar.test(two, correct = FALSE)$statistic),
                       p = mcnemar.test(two, correct = FALSE)$p.value,
                       exact_p = binom.test(two[2, 1], two[2, 1] + two[1, 2])$p.value)
pooled <- pool.scalar(c(1.02, 0.94, 1.11, 0.99, 1.05), c(0.0400, 0.0441, 0.0361, 0.0420, 0.0410), n = 500, k = 3)
values$rubin <- list(qbar = pooled$qbar, t = pooled$t, df = pooled$df, r = pooled$r, fmi = pooled$fmi)

versions <- c(paste("R", getRversion()), sapply(c("survival", "pROC", "riskRegression", "cmprsk", "rms", "Hmisc", "mice"),
                                               function(p) paste(p, packageVersion(p))))
write_json(list(origin = "tests/reference/recompute.R on tests/reference/inputs (made up, ours)",
                versions = paste(versions, collapse = ", "),
                licence = "numbers computed by GPL programs from our own data; Apache-2.0", values = values),
           arguments[2], digits = I(17), auto_unbox = TRUE, pretty = TRUE, na = "null")
