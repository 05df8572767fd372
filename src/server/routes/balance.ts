// GET /user/balance, as DeepSeek: amounts are strings. Without a price list there is nothing to run out of, and none is shown.

import { z } from "zod";
import type { Operation } from "../operation.ts";
import { amountText } from "../prices.ts";

export const balance: Operation = {
  method: "get",
  path: "/user/balance",
  summary: "What is left of the caller's money",
  responses: {
    200: z.object({
      is_available: z.boolean(),
      balance_infos: z.array(
        z.object({
          currency: z.string(),
          total_balance: z.string(),
          granted_balance: z.string(),
          topped_up_balance: z.string(),
        }),
      ),
    }),
  },
  async handle(context, _, call) {
    const money = context.balanceOf(call.tenant);
    if (!money) return Response.json({ is_available: true, balance_infos: [] });
    const total = amountText(money.left);
    return Response.json({
      is_available: money.left > 0,
      balance_infos: [
        { currency: money.currency, total_balance: total, granted_balance: "0.00", topped_up_balance: total },
      ],
    });
  },
};
